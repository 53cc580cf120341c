//! The files of a ledger's folder as one chain.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{Head, LedgerId, Link, verify_line};
use super::checkpoint::Checkpoint;
use super::cursor::Cursor;
use super::disk::{self, Disk};
use super::error::{Damage, Flaw, LedgerError};
use super::record::{FORMAT_VERSION, MAX_LINE_BYTES, TornTail, newer_format};
use super::segment::Segment;
use super::store::{Follower, Search, Verdict, take_in};

const ID_NAME: &str = "id.json";

/// A ledger's folder, and whose records it must hold. It is only read here, but for checkpoints and
/// new files.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) id: LedgerId,
}

/// What is met on the way along the chain.
pub(super) enum Event<'a> {
    Record(&'a Link<'a>),
    /// The segment ends here, and another follows.
    End(Segment, &'a Head),
}

#[derive(Serialize, Deserialize)]
struct IdFile {
    v: u32,
    id: LedgerId,
}

impl Folder {
    /// The folder of a complete ledger.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        expect_folder(path)?;
        Ok(Self { path: path.to_path_buf(), id: read_id(path)? })
    }

    /// Makes `path`, an existing folder that is locked, a ledger without records.
    pub(super) fn create(path: &Path, id: LedgerId, disk: &dyn Disk) -> Result<Self, LedgerError> {
        let path = path.to_path_buf();
        match read_id(&path) {
            Ok(_) => return Err(LedgerError::AlreadyExists { path }),
            Err(LedgerError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        let folder = Self { path, id };
        folder.create_segment(Segment::FIRST, disk)?;
        // It comes last, since a ledger with an id is one that is complete.
        let text = serde_json::to_vec(&IdFile { v: FORMAT_VERSION, id: folder.id.clone() })
            .map_err(|source| LedgerError::io("write", &folder.path.join(ID_NAME), source.into()))?;
        disk::replace(disk, &folder.path, ID_NAME, &text)?;
        Ok(folder)
    }

    pub(super) fn file(&self, segment: Segment) -> PathBuf {
        self.path.join(segment.to_string())
    }

    pub(super) fn genesis(&self) -> Head {
        Head::genesis(self.id.clone())
    }

    /// Creates an empty segment, durably; leaves one alone that a crash let be empty.
    pub(super) fn create_segment(&self, segment: Segment, disk: &dyn Disk) -> Result<(), LedgerError> {
        let path = self.file(segment);
        let file = disk::open(&path, OpenOptions::new().write(true).create(true).truncate(false))?;
        disk.sync(&file).map_err(|source| LedgerError::durability("sync", &path, source))?;
        disk::sync_folder(&self.path)
    }

    /// Where reading has to begin: after the last checkpoint that the record after it continues, or
    /// at the genesis.
    pub(super) fn start(&self, follower: &mut dyn Follower) -> Result<Cursor, LedgerError> {
        follower.reset();
        let mut next = last_segment(&self.path)?;
        while let Some(segment) = next.previous() {
            if let Some(Checkpoint { head, view }) = Checkpoint::load(&self.path, segment, &self.id)
                && self.continues(&head, next)?
            {
                match follower.restore(&view) {
                    Ok(()) => return Ok(Cursor::at_start_of(next, head)),
                    Err(error) => {
                        tracing::debug!(%segment, error, "the checkpoint's view is of another form")
                    }
                }
                follower.reset();
            }
            next = segment;
        }
        Ok(Cursor::at_start_of(Segment::FIRST, self.genesis()))
    }

    /// Whether the first record of `segment` is the next one after `head`.
    fn continues(&self, head: &Head, segment: Segment) -> Result<bool, LedgerError> {
        let path = self.file(segment);
        let mut line = Vec::new();
        BufReader::new(disk::open(&path, OpenOptions::new().read(true))?)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(|source| LedgerError::io("read", &path, source))?;
        Ok(line.strip_suffix(b"\n").is_some_and(|line| verify_line(head, line).is_ok()))
    }

    /// Goes from `cursor` to the end of the chain.
    pub(super) fn walk(
        &self,
        cursor: &mut Cursor,
        visit: &mut dyn FnMut(Event<'_>) -> Result<(), LedgerError>,
    ) -> Result<Option<TornTail>, LedgerError> {
        loop {
            let segment = cursor.at.segment;
            // To be asked first: a segment gets no more records once it has a successor, but may
            // until then.
            let successor =
                Some(segment.next()).filter(|next| fs::symlink_metadata(self.file(*next)).is_ok());
            let torn = self.walk_segment(cursor, &mut |link| visit(Event::Record(link)))?;
            match (successor, torn) {
                (None, torn) => return Ok(torn),
                (Some(_), Some(_)) => return Err(cursor.damage(Flaw::Unterminated)),
                (Some(successor), None) => {
                    visit(Event::End(segment, &cursor.head))?;
                    *cursor = Cursor::at_start_of(successor, cursor.head.clone());
                }
            }
        }
    }

    fn walk_segment(
        &self,
        cursor: &mut Cursor,
        visit: &mut dyn FnMut(&Link<'_>) -> Result<(), LedgerError>,
    ) -> Result<Option<TornTail>, LedgerError> {
        let path = self.file(cursor.at.segment);
        let Some(mut file) = disk::open_existing(&path, OpenOptions::new().read(true))? else {
            return Err(LedgerError::Damaged(Damage::missing(cursor.at.segment)));
        };
        if !still_ends_here(&file, cursor).map_err(|source| LedgerError::io("read", &path, source))? {
            return Err(cursor.damage(Flaw::HeadGone { seq: cursor.head.seq, hash: cursor.head.hash }));
        }
        file.seek(SeekFrom::Start(cursor.at.offset))
            .map_err(|source| LedgerError::io("read", &path, source))?;
        cursor.follow(BufReader::with_capacity(1 << 16, file), &path, visit)
    }

    /// Sees to it that there is a checkpoint of `segment`, which ends with `head`; if not, the next
    /// opening is slower.
    pub(super) fn keep_checkpoint(&self, segment: Segment, head: &Head, follower: &dyn Follower) {
        if Checkpoint::load(&self.path, segment, &self.id).is_some_and(|kept| kept.head == *head) {
            return;
        }
        let saved = follower
            .snapshot()
            .and_then(|view| Checkpoint { head: head.clone(), view }.save(&self.path, segment));
        if let Err(error) = saved {
            tracing::debug!(%segment, error, "no checkpoint was kept");
        }
    }

    /// Reads and checks everything.
    pub(super) fn verify(
        &self,
        kept: Option<&Head>,
        follower: &mut dyn Follower,
    ) -> Result<Verdict, LedgerError> {
        follower.reset();
        last_segment(&self.path)?;
        let mut cursor = Cursor::at_start_of(Segment::FIRST, self.genesis());
        let mut search = Search::new(kept, &self.id);
        let mut stale = Vec::new();
        let torn = self.walk(&mut cursor, &mut |event| match event {
            Event::Record(link) => {
                search.pass(&self.id, link.record.seq, link.hash);
                take_in(follower, link)
            }
            Event::End(segment, head) => {
                if Checkpoint::is_there(&self.path, segment) {
                    let kept = Checkpoint::load(&self.path, segment, &self.id);
                    let view = follower.snapshot().ok();
                    let says_so = |kept: Checkpoint| {
                        kept.head == *head && view.is_some_and(|view| view.get() == kept.view.get())
                    };
                    if !kept.is_some_and(says_so) {
                        stale.push(segment);
                    }
                }
                Ok(())
            }
        })?;
        Ok(search.verdict(cursor.head, torn, stale))
    }
}

/// Whether the line of the cursor's head still lies where it was read or written.
fn still_ends_here(file: &File, cursor: &Cursor) -> io::Result<bool> {
    if file.metadata()?.len() < cursor.at.offset {
        return Ok(false);
    }
    let Some(line) = cursor.last_line else {
        return Ok(true);
    };
    let expected = format!(r#"{{"hash":"{}""#, cursor.head.hash);
    let mut found = vec![0; expected.len()];
    file.read_exact_at(&mut found, line)?;
    Ok(found == expected.as_bytes())
}

/// That `folder` is one, and not a link to one.
pub(super) fn expect_folder(folder: &Path) -> Result<(), LedgerError> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(found) => Err(LedgerError::Strange {
            path: folder.to_path_buf(),
            found: disk::name_of(found.file_type()),
            needed: "a folder",
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(LedgerError::Missing { path: folder.to_path_buf() })
        }
        Err(error) => Err(LedgerError::io("look at", folder, error)),
    }
}

/// The id of the ledger in `folder`; `Missing` only if there are no records either.
fn read_id(folder: &Path) -> Result<LedgerId, LedgerError> {
    let path = folder.join(ID_NAME);
    let unreadable = |source| LedgerError::io("read", &path, source);
    let damaged =
        || LedgerError::Damaged(Damage { flaw: Flaw::IdUnreadable, ..Damage::missing(Segment::FIRST) });
    let Some(mut file) = disk::open_existing(&path, OpenOptions::new().read(true))? else {
        let has_records =
            fs::metadata(folder.join(Segment::FIRST.to_string())).is_ok_and(|first| first.len() > 0);
        return Err(if has_records {
            damaged()
        } else {
            LedgerError::Missing { path: folder.to_path_buf() }
        });
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(unreadable)?;
    if let Some(found) = newer_format(&text, FORMAT_VERSION) {
        return Err(LedgerError::NewerFormat {
            place: path.display().to_string(),
            found,
            known: FORMAT_VERSION,
        });
    }
    serde_json::from_slice(&text).map(|IdFile { id, .. }| id).map_err(|_| damaged())
}

/// The last segment in `folder`, when none before it is missing.
fn last_segment(folder: &Path) -> Result<Segment, LedgerError> {
    let unreadable = |source| LedgerError::io("list", folder, source);
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        segments.extend(name.to_str().and_then(Segment::from_file_name));
    }
    segments.sort_unstable();
    let mut expected = Segment::FIRST;
    for segment in &segments {
        if *segment != expected {
            break;
        }
        expected = expected.next();
    }
    match segments.last() {
        Some(last) if last.next() == expected => Ok(*last),
        _ => Err(LedgerError::Damaged(Damage::missing(expected))),
    }
}
