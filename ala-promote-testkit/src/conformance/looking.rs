//! Health, and where the source stands.

use std::time::Duration;

use ala_promote_core::domain::{HealthVerdict, ServiceHealth};

use super::Fixture;
use super::case::{CaseResult, Miss, hold, same, some};
use super::images::named;
use super::stacks::change;

/// How often is looked until a service must be healthy, with a pause of half a second.
const MOST_LOOKS: u32 = 120;

async fn look(f: &Fixture) -> Result<ServiceHealth, Miss> {
    let looks = f.backend.probe().look(&f.stack, std::slice::from_ref(&f.service)).await?;
    some(looks.into_iter().next(), "the look")
}

async fn healthy(f: &Fixture) -> Result<ServiceHealth, Miss> {
    let mut seen = look(f).await?;
    for _ in 0..MOST_LOOKS {
        if seen.verdict == HealthVerdict::Healthy {
            break;
        }
        f.clock.sleep(Duration::from_millis(500)).await;
        seen = look(f).await?;
    }
    same(&seen.verdict, &HealthVerdict::Healthy, &format!("the verdict ({})", seen.evidence))?;
    Ok(seen)
}

/// A pass, with evidence and the port that answered.
pub async fn what_runs_becomes_healthy(f: &Fixture) -> CaseResult {
    let seen = healthy(f).await?;
    same(&seen.service, &f.service.service, "the service")?;
    same(&seen.port, &f.service.ports.iter().find_map(|port| port.published), "the port that answered")?;
    hold(!seen.evidence.is_empty(), "there is no evidence")
}

/// A look tells the images that run; two looks with nothing in between tell the same generation.
pub async fn a_look_tells_images_and_does_not_disturb(f: &Fixture) -> CaseResult {
    let seen = healthy(f).await?;
    same(&seen.images, &vec![named(f, &f.reference).await?.id], "the images")?;
    same(&look(f).await?.generation, &seen.generation, "the generation")
}

/// The generation changes when a container was replaced.
pub async fn a_replaced_container_shows(f: &Fixture) -> CaseResult {
    let before = healthy(f).await?.generation;
    change(f).await?;
    hold(healthy(f).await?.generation != before, "the generation is the same for another container")
}

/// `None` where the folder is in no tree.
pub async fn a_folder_outside_of_any_tree_has_no_source(f: &Fixture) -> CaseResult {
    same(&f.backend.source().state(&f.scratch).await?, &None, "the source")
}

/// Commit and tree, in full.
pub async fn a_folder_in_a_tree_has_a_commit(f: &Fixture) -> CaseResult {
    if !f.in_source_tree {
        return Err(Miss::NotApplicable("the fixture is in no source tree"));
    }
    let state = some(f.backend.source().state(&f.stack.dir).await?, "the source")?;
    hold(state.commit.len() >= 40 && state.tree.len() >= 40, "commit or tree are not given in full")
}
