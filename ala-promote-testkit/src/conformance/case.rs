//! Cases, running them, and what came of it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use ala_promote_core::backend::{BackendError, BackendErrorKind, BackendResult};

use super::{Claim, Fixture, Subject};

/// Why a case did not hold: what the backend does in place of what the port says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss(pub String);

/// What a case gives.
pub type CaseResult = Result<(), Miss>;

/// One documented behaviour.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: `images::tag_moves_the_reference`.
    pub name: &'static str,
    /// What a backend must claim for it.
    pub needs: &'static [Claim],
    run: for<'a> fn(&'a Fixture) -> Pin<Box<dyn Future<Output = CaseResult> + Send + 'a>>,
}

macro_rules! cases {
    (@needs [$($need:ident)*]) => { &[$(Claim::$need,)*] };
    ($($module:ident $needs:tt { $($case:ident,)* })*) => {
        vec![$($(Case {
            name: concat!(stringify!($module), "::", stringify!($case)),
            needs: cases!(@needs $needs),
            run: |fixture| Box::pin(super::$module::$case(fixture)),
        },)*)*]
    };
}

/// Every case.
#[must_use]
pub fn all() -> Vec<Case> {
    cases! {
        images [] {
            a_reference_that_names_nothing_resolves_to_none,
            an_unknown_image_is_not_found,
            tag_names_the_image,
            tag_moves_the_reference_and_keeps_the_other_image,
            tag_again_changes_nothing,
            tag_of_an_unknown_image_is_refused_and_changes_nothing,
            untag_ends_the_reference,
            untag_of_nothing_succeeds,
        }
        images [Stacks] {
            untag_keeps_an_image_that_a_container_uses,
        }
        stacks [Stacks] {
            resolve_finds_what_runs,
            resolve_against_what_runs_is_refused,
            render_tells_the_services,
            looking_at_a_stack_changes_nothing,
            containers_tell_their_images_by_id,
            containers_of_a_project_are_its_own,
            a_stopped_container_is_seen_and_started,
            a_bound_port_has_its_holder,
            up_again_changes_nothing,
            up_takes_what_the_reference_names_now,
            up_leaves_other_services_alone,
            up_after_it_was_dropped_settles_it,
        }
        stacks [Files] {
            a_missing_env_file_is_invalid,
            broken_files_are_invalid,
            a_variable_that_is_not_set_is_named,
        }
        stacks [Stacks Files] {
            up_takes_the_configuration_of_now,
            no_line_of_up_holds_a_secret,
        }
        stacks [ForeignPorts] {
            a_port_that_others_hold_has_its_holder,
        }
        snapshots [Stacks] {
            a_snapshot_is_for_its_owner_only,
            a_complete_snapshot_is_left_alone,
            restore_of_what_is_so_changes_nothing,
            restore_brings_back_the_image_by_id,
            restore_starts_what_was_stopped,
            restore_again_changes_nothing,
            restore_removes_what_was_not,
            restore_leaves_other_services_alone,
            restore_after_it_was_dropped_settles_it,
            discard_succeeds_again,
        }
        snapshots [Stacks Files] {
            restore_brings_back_the_configuration,
        }
        building [Builds] {
            build_gives_what_the_reference_names,
            build_moves_no_other_reference,
            build_of_what_is_not_built_is_refused,
            a_build_that_fails_tells_its_last_lines,
            a_cancelled_build_says_so,
        }
        building [Pulls] {
            pull_gives_what_the_tag_names,
            pull_by_digest_moves_nothing,
            pull_of_what_is_not_there_is_refused,
            a_cancelled_pull_says_so,
        }
        source [] {
            a_folder_outside_of_any_tree_has_no_source,
            there_is_nothing_to_fetch_outside_of_any_tree,
        }
        source [SourceTree] {
            a_folder_in_a_tree_has_a_commit,
            fetch_brings_the_branch_to_its_upstream,
            fetch_of_what_can_not_be_forwarded_changes_nothing,
            fetch_on_a_detached_head_changes_nothing,
        }
        database [Databases] {
            the_database_is_detected,
            a_key_that_is_not_set_has_no_url,
            there_is_room_to_ask_for,
            a_dump_makes_its_folder,
            a_dump_is_what_its_manifest_says,
            a_dump_is_given_again_to_its_own_operation_only,
            a_file_that_is_there_is_never_overwritten,
            a_dump_that_was_cut_is_an_error,
            a_cancelled_dump_leaves_no_file,
            what_a_killed_dump_left_is_discarded,
            a_complete_backup_is_not_discarded,
            what_others_left_is_not_discarded,
        }
        hooks [HostHooks] {
            output_is_kept_for_its_owner,
            a_command_that_fails_is_a_failure,
            a_command_is_told_of_the_operation,
            a_command_on_the_host_runs_in_the_stack_s_folder,
            a_command_that_takes_too_long_is_ended,
            a_cancelled_command_is_ended,
            what_a_killed_run_left_is_ended,
            end_of_nothing_succeeds,
        }
        hooks [ServiceHooks] {
            in_a_service_output_is_kept_for_its_owner,
            in_a_service_a_command_that_fails_is_a_failure,
            in_a_service_a_command_is_told_of_the_operation,
            in_a_service_a_command_that_takes_too_long_is_ended,
            in_a_service_a_cancelled_command_is_ended,
            in_a_service_what_a_killed_run_left_is_ended,
            in_a_service_end_of_nothing_succeeds,
            a_command_in_no_service_is_not_found,
        }
        hooks [ServiceHooks Files] {
            a_command_has_the_service_s_environment_and_logs_no_secret,
        }
        locks [] {
            of_many_at_once_one_gets_it,
            a_busy_lock_tells_its_holder,
            a_lock_that_was_taken_away_is_noticed,
            a_released_lock_is_free,
            a_live_holder_is_not_taken_over,
            a_dead_holder_is_taken_over_by_name_only,
            a_tree_is_locked_across_projects,
        }
        witness [] {
            nothing_was_noted_at_first,
            what_was_noted_last_is_read,
            a_note_is_replaced_without_a_gap,
            a_late_note_takes_none_back,
            what_is_forgotten_is_gone,
            folders_have_their_own_notes,
        }
        looking [Stacks] {
            what_runs_becomes_healthy,
            a_look_tells_images_and_does_not_disturb,
            a_replaced_container_shows,
            what_does_not_run_is_not_healthy,
        }
    }
}

/// Runs one case on a fixture of its own.
///
/// # Errors
/// How the backend differs from what its port says, or why there is no fixture.
pub async fn run(case: Case, subject: &dyn Subject) -> CaseResult {
    let fixture = subject.fixture(case.needs).await.map_err(|e| Miss(format!("no fixture: {e}")))?;
    (case.run)(&fixture).await
}

/// Runs every case that needs nothing but what the subject claims, one after another.
pub async fn run_all(subject: &dyn Subject) -> Report {
    run_some(subject, all()).await
}

/// The same for some of the cases: a part that matters now, or one of several that run side by side.
pub async fn run_some(subject: &dyn Subject, cases: impl IntoIterator<Item = Case>) -> Report {
    let (claims, mut report) = (subject.claims(), Report::default());
    for case in cases {
        match case.needs.iter().find(|need| !claims.contains(need)) {
            Some(need) => report.not_claimed.push((case.name, *need)),
            None => match run(case, subject).await {
                Ok(()) => report.held.push(case.name),
                Err(Miss(how)) => report.violated.push((case.name, how)),
            },
        }
    }
    report
}

/// What came of running cases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Cases that held.
    pub held: Vec<&'static str>,
    /// Cases that were not run, with what is not claimed.
    pub not_claimed: Vec<(&'static str, Claim)>,
    /// Cases that did not hold, with how.
    pub violated: Vec<(&'static str, String)>,
}

impl Report {
    /// Adds what came of other cases.
    pub fn add(&mut self, other: Self) {
        self.held.extend(other.held);
        self.not_claimed.extend(other.not_claimed);
        self.violated.extend(other.violated);
    }

    /// Ends the test unless every case that was run held.
    ///
    /// # Panics
    /// With a line for each case that did not hold.
    pub fn assert_ok(&self) {
        assert!(self.violated.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lacks: Vec<String> = self.not_claimed.iter().map(|(_, need)| need.to_string()).collect();
        lacks.sort();
        lacks.dedup();
        let why = if lacks.is_empty() { String::new() } else { format!(" ({})", lacks.join(", ")) };
        let (held, not) = (self.held.len(), self.not_claimed.len());
        writeln!(f, "{held} cases held, {not} not claimed{why}, {} violated", self.violated.len())?;
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
        Self(format!("unexpected failure: {error} ({:?})", error.kind()))
    }
}

impl From<std::io::Error> for Miss {
    fn from(error: std::io::Error) -> Self {
        Self(format!("unexpected failure: {error}"))
    }
}

impl From<ala_promote_core::domain::ReferenceError> for Miss {
    fn from(error: ala_promote_core::domain::ReferenceError) -> Self {
        Self(error.to_string())
    }
}

impl From<ala_promote_core::domain::NameError> for Miss {
    fn from(error: ala_promote_core::domain::NameError) -> Self {
        Self(error.to_string())
    }
}

/// Holds, or is violated in this way.
pub(super) fn hold(holds: bool, otherwise: &str) -> CaseResult {
    if holds { Ok(()) } else { Err(Miss(otherwise.to_owned())) }
}

/// Both are the same, or it is violated.
pub(super) fn same<T: PartialEq + fmt::Debug>(found: &T, expected: &T, what: &str) -> CaseResult {
    if found == expected {
        return Ok(());
    }
    Err(Miss(format!("{what}: {found:?} where {expected:?} was expected")))
}

/// It fails with this kind, or it is violated.
pub(super) fn refused<T>(result: BackendResult<T>, kind: BackendErrorKind, what: &str) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err(Miss(format!("{what}: {error} is {:?}, not {kind:?}", error.kind()))),
        Ok(_) => Err(Miss(format!("{what}: it succeeded where {kind:?} was expected"))),
    }
}

/// The value, or it is violated that there is none.
pub(super) fn some<T>(value: Option<T>, what: &str) -> Result<T, Miss> {
    value.ok_or_else(|| Miss(format!("{what}: nothing was found")))
}
