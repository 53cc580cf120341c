//! Cases, running them, and what came of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};

use super::{Fixture, Subject};

/// Why a case did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// The backend does not do what the port says.
    Violated(String),
    /// The fixture lacks what the case is about.
    NotApplicable(&'static str),
}

/// What a case gives.
pub type CaseResult = Result<(), Miss>;

/// One documented behaviour.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: `images::tag_moves_the_reference`.
    pub name: &'static str,
    run: for<'a> fn(&'a Fixture) -> Pin<Box<dyn Future<Output = CaseResult> + Send + 'a>>,
}

macro_rules! cases {
    ($($module:ident { $($case:ident,)* })*) => {
        vec![$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            run: |fixture| Box::pin(super::$module::$case(fixture)),
        },)*)*]
    };
}

/// Every case.
#[must_use]
pub fn all() -> Vec<Case> {
    cases! {
        images {
            a_reference_that_names_nothing_resolves_to_none,
            an_unknown_image_is_not_found,
            tag_names_the_image,
            tag_moves_the_reference_and_keeps_the_other_image,
            tag_again_changes_nothing,
            tag_of_an_unknown_image_is_refused_and_changes_nothing,
            untag_ends_the_reference,
            untag_of_nothing_succeeds,
            untag_keeps_an_image_that_a_container_uses,
        }
        stacks {
            resolve_finds_what_runs,
            resolve_against_what_runs_is_refused,
            render_tells_the_services,
            containers_tell_their_images_by_id,
            a_bound_port_has_its_holder,
            up_again_changes_nothing,
            up_takes_what_the_reference_names_now,
            up_leaves_other_services_alone,
        }
        snapshots {
            a_snapshot_is_for_its_owner_only,
            a_complete_snapshot_is_left_alone,
            restore_of_what_is_so_changes_nothing,
            restore_brings_back_the_image_by_id,
            restore_again_changes_nothing,
            restore_removes_what_was_not,
            restore_leaves_other_services_alone,
            discard_succeeds_again,
        }
        building {
            build_gives_what_the_reference_names,
            build_moves_no_other_reference,
            build_of_what_is_not_built_is_refused,
            a_cancelled_build_says_so,
            pull_gives_what_the_tag_names,
            pull_by_digest_moves_nothing,
            pull_of_what_is_not_there_is_refused,
            a_cancelled_pull_says_so,
        }
        database {
            the_database_is_detected,
            there_is_room_to_ask_for,
            a_dump_makes_its_folder,
            a_dump_is_what_its_manifest_says,
            a_dump_is_given_again_to_its_own_operation_only,
            a_file_that_is_there_is_never_overwritten,
            a_cancelled_dump_leaves_no_file,
            what_a_killed_dump_left_is_discarded,
            a_complete_backup_is_not_discarded,
        }
        hooks {
            output_is_kept_for_its_owner,
            a_command_that_fails_is_a_failure,
            a_command_is_told_of_the_operation,
            a_command_that_takes_too_long_is_ended,
            a_cancelled_command_is_ended,
            a_command_in_no_service_is_not_found,
            end_of_nothing_succeeds,
        }
        locks {
            of_many_at_once_one_gets_it,
            a_busy_lock_tells_its_holder,
            a_released_lock_is_free,
            a_live_holder_is_not_taken_over,
            a_dead_holder_is_taken_over_by_name_only,
            a_tree_is_locked_across_projects,
        }
        witness {
            nothing_was_noted_at_first,
            what_was_noted_last_is_read,
            a_late_note_takes_none_back,
            what_is_forgotten_is_gone,
            folders_have_their_own_notes,
        }
        looking {
            what_runs_becomes_healthy,
            a_look_tells_images_and_does_not_disturb,
            a_replaced_container_shows,
            a_folder_outside_of_any_tree_has_no_source,
            a_folder_in_a_tree_has_a_commit,
        }
    }
}

/// Runs one case on a fixture of its own.
pub async fn run(case: Case, subject: &dyn Subject) -> CaseResult {
    let fixture = subject.fixture().await.map_err(|e| Miss::Violated(format!("no fixture: {e}")))?;
    (case.run)(&fixture).await
}

/// Runs every case, one after another.
pub async fn run_all(subject: &dyn Subject) -> Report {
    let mut report = Report::default();
    for case in all() {
        match run(case, subject).await {
            Ok(()) => report.held.push(case.name),
            Err(Miss::NotApplicable(why)) => report.not_applicable.push((case.name, why)),
            Err(Miss::Violated(how)) => report.violated.push((case.name, how)),
        }
    }
    report
}

/// What came of running cases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Cases that held.
    pub held: Vec<&'static str>,
    /// Cases about what the fixture lacks, with what that is.
    pub not_applicable: Vec<(&'static str, &'static str)>,
    /// Cases that did not hold, with how.
    pub violated: Vec<(&'static str, String)>,
}

impl Report {
    /// Ends the test unless every case held or is not applicable.
    ///
    /// # Panics
    /// With a line for each case that did not hold.
    pub fn assert_ok(&self) {
        assert!(self.violated.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, not) = (self.held.len(), self.not_applicable.len());
        writeln!(f, "{held} cases held, {not} not applicable, {} violated", self.violated.len())?;
        self.violated.iter().try_for_each(|(name, how)| writeln!(f, "{name}: {how}"))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl From<BackendError> for Miss {
    fn from(error: BackendError) -> Self {
        Self::Violated(format!("unexpected failure: {error} ({:?})", error.kind()))
    }
}

impl From<std::io::Error> for Miss {
    fn from(error: std::io::Error) -> Self {
        Self::Violated(format!("unexpected failure: {error}"))
    }
}

impl From<ala_promote_core::domain::ReferenceError> for Miss {
    fn from(error: ala_promote_core::domain::ReferenceError) -> Self {
        Self::Violated(error.to_string())
    }
}

impl From<ala_promote_core::domain::NameError> for Miss {
    fn from(error: ala_promote_core::domain::NameError) -> Self {
        Self::Violated(error.to_string())
    }
}

/// Holds, or is violated in this way.
pub(super) fn hold(holds: bool, otherwise: &str) -> CaseResult {
    if holds { Ok(()) } else { Err(Miss::Violated(otherwise.to_owned())) }
}

/// Both are the same, or it is violated.
pub(super) fn same<T: PartialEq + fmt::Debug>(found: &T, expected: &T, what: &str) -> CaseResult {
    if found == expected {
        return Ok(());
    }
    Err(Miss::Violated(format!("{what}: {found:?} where {expected:?} was expected")))
}

/// It fails with this kind, or it is violated.
pub(super) fn refused<T>(result: BackendResult<T>, kind: BackendErrorKind, what: &str) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Miss::Violated(format!("{what}: {error} is {:?}, not {kind:?}", error.kind()))),
        Ok(_) => Err(Miss::Violated(format!("{what}: it succeeded where {kind:?} was expected"))),
    }
}

/// The value, or it is violated that there is none.
pub(super) fn some<T>(value: Option<T>, what: &str) -> Result<T, Miss> {
    value.ok_or_else(|| Miss::Violated(format!("{what}: nothing was found")))
}
