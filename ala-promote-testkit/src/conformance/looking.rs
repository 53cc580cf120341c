//! Health.

use std::time::Duration;

use ala_promote_core::domain::{HealthTarget, HealthVerdict, ServiceHealth};

use jiff::SignedDuration;

use super::Fixture;
use super::case::{CaseResult, Miss, hold, same, some};
use super::images::named;
use super::stacks::change;

/// How often is looked until a service must be healthy, with a pause of half a second.
const MOST_LOOKS: u32 = 120;
/// A look waits for nothing.
const MOST_OF_A_LOOK: SignedDuration = SignedDuration::from_secs(15);

async fn look(f: &Fixture) -> Result<ServiceHealth, Miss> {
    let asked = f.clock.now();
    let looks = f.backend.probe().look(&f.stack, std::slice::from_ref(&f.service)).await?;
    let took = f.clock.now().duration_since(asked);
    hold(took < MOST_OF_A_LOOK, &format!("a look took {took:?}"))?;
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
    hold(!seen.evidence.is_empty(), "there is no evidence")?;
    hold(!f.backend.probe().address().is_empty(), "it is not told where published ports answer")
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

/// A pass needs the container to be running.
pub async fn what_does_not_run_is_not_healthy(f: &Fixture) -> CaseResult {
    let absent = HealthTarget { service: f.absent.clone(), ports: Vec::new(), ..f.service.clone() };
    let looks = f.backend.probe().look(&f.stack, &[f.service.clone(), absent]).await?;
    same(&looks.len(), &2, "how many looks")?;
    let absent = some(looks.into_iter().find(|look| look.service == f.absent), "the absent service's look")?;
    hold(absent.verdict != HealthVerdict::Healthy, "a service without a container is healthy")
}
