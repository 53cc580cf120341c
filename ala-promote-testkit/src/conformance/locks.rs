//! Locks.

use std::future::Future;
use std::time::Duration;

use ala_promote_core::backend::{Acquired, BackendErrorKind, BackendResult, LockGuard, LockScope};
use ala_promote_core::domain::{OperationId, ProjectName};
use futures_util::future::join_all;

use super::case::{CaseResult, Miss, hold, refused, same};
use super::dropped::dropped_after;
use super::{Accident, Fixture};

/// How often a dead holder's lock is asked for, with a pause of a fifth of a second.
const MOST_ASKS: u32 = 300;

async fn ask(f: &Fixture, operation: &str, take_over: Option<&str>) -> Result<Acquired, Miss> {
    let take_over = take_over.map(OperationId::new).transpose()?;
    let holder = f.holder(&OperationId::new(operation)?);
    Ok(f.backend.lock().acquire(&f.scope(), &holder, take_over.as_ref()).await?)
}

async fn get(f: &Fixture, operation: &str, take_over: Option<&str>) -> Result<Box<dyn LockGuard>, Miss> {
    match ask(f, operation, take_over).await? {
        Acquired::Held(guard) => Ok(guard),
        busy => Err(Miss(format!("a free lock is {busy:?}"))),
    }
}

fn is_busy(acquired: &Acquired, alive: bool, what: &str) -> CaseResult {
    let busy = matches!(acquired, Acquired::Busy { alive: a, .. } if *a == alive);
    hold(busy, &format!("{what}: {acquired:?} where busy with alive = {alive} was expected"))
}

/// Drops an operation's call after so many polls, as a kill of its process does, and takes over its lock as `recover`
/// does: as soon as no child of it is at work.
pub(super) async fn killed<T>(f: &Fixture, polls: u32, call: impl Future<Output = T>) -> CaseResult {
    let name = "conformance-killed";
    let guard = get(f, name, None).await?;
    dropped_after(polls, call).await;
    drop(guard);
    for _ in 0..MOST_ASKS {
        match ask(f, name, Some(name)).await? {
            Acquired::Held(guard) => return Ok(guard.release().await?),
            // A child that is just being started holds all that we do, until its program begins.
            Acquired::Orphaned { .. } | Acquired::Busy { alive: true, .. } => {
                f.clock.sleep(Duration::from_millis(200)).await;
            }
            busy => return Err(Miss(format!("the lock of the dead is {busy:?}"))),
        }
    }
    Err(Miss("children of the dead are at work after a minute".to_owned()))
}

/// Of any number that ask at once, at most one gets it.
pub async fn of_many_at_once_one_gets_it(f: &Fixture) -> CaseResult {
    let names: Vec<String> = (0..8).map(|n| format!("conformance-{n}")).collect();
    let asked = join_all(names.iter().map(|name| ask(f, name, None))).await;
    let asked = asked.into_iter().collect::<Result<Vec<_>, _>>()?;
    same(&asked.iter().filter(|a| matches!(a, Acquired::Held(_))).count(), &1, "how many got it")
}

/// Busy tells who holds it, and that it is alive.
pub async fn a_busy_lock_tells_its_holder(f: &Fixture) -> CaseResult {
    let guard = get(f, "conformance-1", None).await?;
    guard.check().await?;
    match ask(f, "conformance-2", None).await? {
        Acquired::Busy { holder: Some(holder), alive: true } => {
            same(&holder.operation.as_str(), &"conformance-1", "its operation")?;
            same(&holder.what, &format!("promote {}", f.stack.environment), "what it does")
        }
        other => is_busy(&other, true, "a held lock"),
    }
}

/// `Conflict` when it was removed.
pub async fn a_lock_that_was_taken_away_is_noticed(f: &Fixture) -> CaseResult {
    let guard = get(f, "conformance-1", None).await?;
    guard.check().await?;
    f.happen(Accident::LockGoes).await?;
    refused(guard.check().await, BackendErrorKind::Conflict, "a lock that was taken away")
}

/// A lock that was given up can be had.
pub async fn a_released_lock_is_free(f: &Fixture) -> CaseResult {
    get(f, "conformance-1", None).await?.release().await?;
    Ok(get(f, "conformance-2", None).await?.check().await?)
}

/// A live holder's lock is never taken, also by name.
pub async fn a_live_holder_is_not_taken_over(f: &Fixture) -> CaseResult {
    let guard = get(f, "conformance-1", None).await?;
    is_busy(&ask(f, "conformance-2", Some("conformance-1")).await?, true, "a live holder's lock")?;
    Ok(guard.check().await?)
}

/// A dead holder's lock is taken by who names its operation, and by nobody else.
pub async fn a_dead_holder_is_taken_over_by_name_only(f: &Fixture) -> CaseResult {
    drop(get(f, "conformance-1", None).await?);
    is_busy(&ask(f, "conformance-2", None).await?, false, "a dead holder's lock")?;
    is_busy(&ask(f, "conformance-2", Some("conformance-2")).await?, false, "by another name")?;
    let guard = get(f, "conformance-1", Some("conformance-1")).await?;
    guard.check().await?;
    is_busy(&ask(f, "conformance-2", None).await?, true, "the lock that was taken over")
}

/// One operation at a time on a source tree, whatever the project.
pub async fn a_tree_is_locked_across_projects(f: &Fixture) -> CaseResult {
    let _guard = get(f, "conformance-1", None).await?;
    let project = ProjectName::new(format!("{}-other", f.stack.project))?;
    let holder = f.holder(&OperationId::new("conformance-2")?);
    let ask_on = async |tree| -> BackendResult<Acquired> {
        let scope = LockScope { project: Some(project.clone()), tree, ..f.scope() };
        f.backend.lock().acquire(&scope, &holder, None).await
    };
    is_busy(&ask_on(f.scope().tree).await?, true, "the tree")?;
    match ask_on(None).await? {
        Acquired::Held(guard) => Ok(guard.release().await?),
        busy => Err(Miss(format!("another project without the tree is {busy:?}"))),
    }
}
