//! The source tree.

use ala_promote_core::backend::{Call, Fetched};
use ala_promote_core::domain::SourceState;

use super::case::{CaseResult, Miss, hold, same, some};
use super::{Accident, Fixture};

async fn state(f: &Fixture) -> Result<SourceState, Miss> {
    some(f.backend.source().state(&f.stack.dir).await?, "the source")
}

async fn fetch(f: &Fixture) -> Result<Fetched, Miss> {
    Ok(f.backend.source().fetch(&f.stack.dir, &Call::silent()).await?)
}

/// `None` where the folder is in no tree.
pub async fn a_folder_outside_of_any_tree_has_no_source(f: &Fixture) -> CaseResult {
    same(&f.backend.source().state(&f.scratch).await?, &None, "the source")
}

/// In no tree: changes nothing and says so.
pub async fn there_is_nothing_to_fetch_outside_of_any_tree(f: &Fixture) -> CaseResult {
    is_skipped(&f.backend.source().fetch(&f.scratch, &Call::silent()).await?)
}

/// Where the tree stands: commit and tree in full, the branch, and whether it is dirty.
pub async fn a_folder_in_a_tree_has_a_commit(f: &Fixture) -> CaseResult {
    let state = state(f).await?;
    hold(state.commit.len() >= 40 && state.tree.len() >= 40, "commit or tree are not given in full")?;
    hold(state.branch.is_some() && !state.dirty, &format!("a clean tree on a branch is {state:?}"))
}

/// Brings the current branch up to its upstream; once there, again changes nothing.
pub async fn fetch_brings_the_branch_to_its_upstream(f: &Fixture) -> CaseResult {
    let before = state(f).await?;
    f.happen(Accident::UpstreamMoves).await?;
    let Fetched::Updated { from, to } = fetch(f).await? else {
        return Err(Miss("it was said that there was nothing to fetch from".to_owned()));
    };
    let now = state(f).await?;
    same(&(&from, &to), &(&before.commit, &now.commit), "from where to where")?;
    hold(now.commit != before.commit && now.tree != before.tree, "the tree did not move")?;
    same(&now.branch, &before.branch, "the branch")?;
    same(&fetch(f).await?, &Fetched::Updated { from: to.clone(), to }, "a fetch of nothing new")
}

/// Fast-forward only: when it can't be done, nothing has changed.
pub async fn fetch_of_what_can_not_be_forwarded_changes_nothing(f: &Fixture) -> CaseResult {
    let before = state(f).await?;
    f.happen(Accident::UpstreamDiverges).await?;
    hold(fetch(f).await.is_err(), "a branch that went another way was fetched")?;
    same(&state(f).await?, &before, "the source")
}

/// On a detached head: changes nothing and says so.
pub async fn fetch_on_a_detached_head_changes_nothing(f: &Fixture) -> CaseResult {
    f.happen(Accident::UpstreamMoves).await?;
    f.happen(Accident::HeadDetaches).await?;
    let before = state(f).await?;
    is_skipped(&fetch(f).await?)?;
    same(&state(f).await?, &before, "the source")
}

fn is_skipped(fetched: &Fetched) -> CaseResult {
    let why = matches!(fetched, Fetched::Skipped { reason } if !reason.is_empty());
    hold(why, &format!("nothing to fetch from is {fetched:?}"))
}
