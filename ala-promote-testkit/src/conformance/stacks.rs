//! Stacks, but for snapshots.

use std::collections::BTreeMap;

use ala_promote_core::backend::{BackendErrorKind, Call};
use ala_promote_core::domain::{Container, ImageId, ProjectName, ServiceName};

use super::Fixture;
use super::case::{CaseResult, Miss, hold, refused, same, some};
use super::images::named;

/// The containers of one service: their ids and their images'.
pub(super) async fn containers(
    f: &Fixture,
    service: &ServiceName,
) -> Result<BTreeMap<String, ImageId>, Miss> {
    let all = f.backend.stacks().containers(&f.stack.project).await?;
    let of_service = all.into_iter().filter(|c| &c.service == service && c.is_running());
    Ok(of_service.map(|c| (c.id, c.image.id)).collect())
}

/// Lets the service run the other image.
pub(super) async fn change(f: &Fixture) -> CaseResult {
    let other = named(f, &f.other).await?;
    f.backend.images().tag(&other.id, &f.reference).await?;
    up(f).await
}

async fn up(f: &Fixture) -> CaseResult {
    Ok(f.backend.stacks().up(&f.stack, std::slice::from_ref(&f.service.service), &Call::silent()).await?)
}

/// What runs comes first: containers that name the environment's folder tell project, files and env file.
pub async fn resolve_finds_what_runs(f: &Fixture) -> CaseResult {
    let found = f.backend.stacks().resolve(&f.settings, &f.stack.environment).await?;
    same(&found, &f.stack, "the stack")
}

/// Where settings and what runs disagree: `Conflict`, showing both.
pub async fn resolve_against_what_runs_is_refused(f: &Fixture) -> CaseResult {
    let mut settings = f.settings.clone();
    let environment = some(settings.environments.get_mut(&f.stack.environment), "the settings")?;
    environment.project = Some(ProjectName::new("conformance-other")?);
    match f.backend.stacks().resolve(&settings, &f.stack.environment).await {
        Err(error) if error.kind() == BackendErrorKind::Conflict => {
            let text = error.to_string();
            let both = text.contains("conformance-other") && text.contains(f.stack.project.as_str());
            hold(both, &format!("the conflict does not show both projects: {text}"))
        }
        other => refused(other, BackendErrorKind::Conflict, "resolve"),
    }
}

/// A render has the services, with image, build and ports.
pub async fn render_tells_the_services(f: &Fixture) -> CaseResult {
    let render = f.backend.stacks().render(&f.stack).await?;
    same(&render.stack, &f.stack, "what was rendered")?;
    let spec = some(render.services.get(&f.service.service), "the service")?;
    same(&spec.image, &Some(f.reference.clone()), "its image")?;
    hold(spec.build.is_some(), "its build is missing")?;
    same(&spec.ports, &f.service.ports, "its ports")?;
    hold(render.services.contains_key(&f.bystander), "the bystander is missing")
}

/// The image that a container was made from is told by id, whatever its reference names now.
pub async fn containers_tell_their_images_by_id(f: &Fixture) -> CaseResult {
    let (before, other) = (named(f, &f.reference).await?, named(f, &f.other).await?);
    f.backend.images().tag(&other.id, &f.reference).await?;
    let all = f.backend.stacks().containers(&f.stack.project).await?;
    let ours: Vec<&Container> = all.iter().filter(|c| c.service == f.service.service).collect();
    hold(!ours.is_empty(), "the service has no container")?;
    ours.iter().try_for_each(|c| same(&c.image, &before, "the container's image"))
}

/// Who holds host ports now.
pub async fn a_bound_port_has_its_holder(f: &Fixture) -> CaseResult {
    let holders = f.backend.stacks().port_holders(&f.service.ports).await?;
    let ours = holders.iter().find(|h| h.service.as_ref() == Some(&f.service.service));
    same(&some(ours, "the holder")?.project, &Some(f.stack.project.clone()), "its project")
}

/// Ensures: replaces nothing when it is so already.
pub async fn up_again_changes_nothing(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.service.service).await?;
    up(f).await?;
    same(&containers(f, &f.service.service).await?, &before, "the containers")
}

/// The services run the images that their references name now.
pub async fn up_takes_what_the_reference_names_now(f: &Fixture) -> CaseResult {
    change(f).await?;
    let other = named(f, &f.other).await?.id;
    let now = containers(f, &f.service.service).await?;
    hold(!now.is_empty() && now.values().all(|id| *id == other), "it does not run the image that was tagged")
}

/// Services that are not named are neither started, stopped nor replaced.
pub async fn up_leaves_other_services_alone(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.bystander).await?;
    change(f).await?;
    same(&containers(f, &f.bystander).await?, &before, "the bystander's containers")?;
    hold(containers(f, &f.absent).await?.is_empty(), "a service that was not named was started")
}
