//! The disk of the ledger is full in the middle of an operation, and stays so.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::stack::{Stack, on_two_engines};
use super::tests::{PROMOTE, tested};

#[test]
fn a_full_disk_of_the_ledger() {
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() != 0) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI may skip nothing");
        eprintln!("SKIPPED: a small disk can be mounted by root alone");
        return;
    }
    on_two_engines(1, |stack| {
        let disk = SmallDisk::mount(&stack.dir().join(".ala-promote"));
        let (code, text) = stack.run("deploy");
        assert_eq!(code, 0, "{text}");
        tested(stack, "2");
        for moment in ["✅ Prerequisites OK", "✅ Containers restarted"] {
            full_from(stack, &disk, moment);
        }
    });
}

/// Production is old or new, and what was said is what is, while nothing can be written but what was set aside for it.
fn full_from(stack: &Stack<'_>, disk: &SmallDisk, moment: &str) {
    let before = stack.image();
    let running = stack.start(PROMOTE, Stdio::null());
    running.until(moment);
    disk.fill();
    let (code, said) = running.end();
    assert!(matches!(code, 0 | 5), "{code}: {said}");
    assert_eq!(stack.image() == before, code == 5, "{said}");
    let (code, text) = stack.run("ala-promote recover");
    assert_eq!(code, 0, "{text}");
    let before = stack.image();
    // What was set aside was given back.
    disk.fill();
    let (code, text) = stack.run("deploy");
    assert_ne!(code, 0, "nothing begins without room for its end: {text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert_eq!(stack.image(), before);
    disk.clear();
    for line in ["ala-promote history --verify", PROMOTE, "rollback --confirm production"] {
        let (code, text) = stack.run(line);
        assert_eq!(code, 0, "{line}: {text}");
    }
}

/// A disk of two megabytes, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        fs::create_dir(at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs"]).arg(at).status();
        assert!(mounted.unwrap().success());
        Self(at.to_owned())
    }

    fn fill(&self) {
        let mut filler = File::create(self.0.join("filler")).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
    }

    fn clear(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
