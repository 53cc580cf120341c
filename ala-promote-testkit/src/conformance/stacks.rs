//! Stacks, but for snapshots.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ala_promote_core::backend::{BackendErrorKind, BackendResult, Call, CancelToken};
use ala_promote_core::domain::{Container, ImageId, PortMapping, ProjectName, ServiceName};

use super::case::{CaseResult, Miss, hold, refused, same, some};
use super::images::named;
use super::locks::killed;
use super::{Accident, Fixture};

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

/// Finding out, and rendering, changes nothing.
pub async fn looking_at_a_stack_changes_nothing(f: &Fixture) -> CaseResult {
    let stacks = f.backend.stacks();
    let before = stacks.containers(&f.stack.project).await?;
    stacks.resolve(&f.settings, &f.stack.environment).await?;
    stacks.render(&f.stack).await?;
    stacks.port_holders(&f.service.ports).await?;
    same(&stacks.containers(&f.stack.project).await?, &before, "the containers")
}

/// A missing env file is `Invalid` and names its template.
pub async fn a_missing_env_file_is_invalid(f: &Fixture) -> CaseResult {
    f.happen(Accident::EnvFileGoes).await?;
    let text = is_invalid(f.backend.stacks().resolve(&f.settings, &f.stack.environment).await, "resolve")?;
    hold(text.contains("template"), &format!("its template is not named: {text}"))
}

/// Broken files are `Invalid`, with file and line.
pub async fn broken_files_are_invalid(f: &Fixture) -> CaseResult {
    f.happen(Accident::FilesBreak).await?;
    let text = is_invalid(f.backend.stacks().render(&f.stack).await, "render")?;
    let file =
        f.stack.files.iter().filter_map(|file| file.file_name()?.to_str()).any(|name| text.contains(name));
    hold(file, &format!("the file is not named: {text}"))?;
    hold(text.contains("line "), &format!("the line is not told: {text}"))
}

/// A variable that is not set is `Invalid` and named.
pub async fn a_variable_that_is_not_set_is_named(f: &Fixture) -> CaseResult {
    let (variable, _) = f.secret()?;
    f.backend.stacks().render(&f.stack).await?;
    f.happen(Accident::VariableGoes).await?;
    let text = is_invalid(f.backend.stacks().render(&f.stack).await, "render")?;
    hold(text.contains(&variable), &format!("{variable} is not named: {text}"))
}

/// What such an error says, with its hint.
fn is_invalid<T>(result: BackendResult<T>, what: &str) -> Result<String, Miss> {
    match result {
        Err(error) if error.kind() == BackendErrorKind::Invalid => {
            Ok(format!("{error}\n{}", error.hint().unwrap_or_default()))
        }
        other => Err(refused(other, BackendErrorKind::Invalid, what).err().unwrap_or(Miss(what.to_owned()))),
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

/// All containers of a project, and of no other.
pub async fn containers_of_a_project_are_its_own(f: &Fixture) -> CaseResult {
    let all = f.backend.stacks().containers(&f.stack.project).await?;
    for service in [&f.service.service, &f.bystander] {
        same(&all.iter().filter(|c| c.service == *service).count(), &1, &format!("containers of {service}"))?;
    }
    let nobody = ProjectName::new("conformance-nobody")?;
    same(&f.backend.stacks().containers(&nobody).await?, &Vec::new(), "containers of no project")
}

/// Stopped ones included; and `up` starts what is as it should be, but for that.
pub async fn a_stopped_container_is_seen_and_started(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.service.service).await?;
    f.happen(Accident::ServiceStops).await?;
    let all = f.backend.stacks().containers(&f.stack.project).await?;
    let ours: Vec<&Container> = all.iter().filter(|c| c.service == f.service.service).collect();
    let is_seen = matches!(ours.as_slice(), [one] if !one.is_running() && before.contains_key(&one.id));
    hold(is_seen, &format!("a stopped container is {ours:?}"))?;
    up(f).await?;
    same(&containers(f, &f.service.service).await?.len(), &1, "how many run after it was started")
}

/// Who holds host ports now: others too, as far as they can be seen.
pub async fn a_port_that_others_hold_has_its_holder(f: &Fixture) -> CaseResult {
    let number = some(f.free_port, "the fixture's free port")?;
    let wanted =
        [PortMapping { host_ip: None, published: Some(number), target: number, protocol: "tcp".to_owned() }];
    let holders = f.backend.stacks().port_holders(&wanted).await?;
    hold(!holders.iter().any(|h| h.port.published == Some(number)), "a port that nobody holds has a holder")?;
    f.happen(Accident::PortIsTaken(number)).await?;
    let holders = f.backend.stacks().port_holders(&wanted).await?;
    let holder = some(holders.iter().find(|h| h.port.published == Some(number)), "the holder")?;
    hold(!holder.holder.is_empty(), "nothing is known of it")?;
    same(&(&holder.project, &holder.service), &(&None, &None), "its project and service")
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

/// With the configuration that the files render to now.
pub async fn up_takes_the_configuration_of_now(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.service.service).await?;
    f.happen(Accident::VariableChanges).await?;
    up(f).await?;
    let now = containers(f, &f.service.service).await?;
    hold(
        !now.is_empty() && now.keys().all(|id| !before.contains_key(id)),
        "it runs with the values of before",
    )
}

/// No error and no progress line holds a secret.
pub async fn no_line_of_up_holds_a_secret(f: &Fixture) -> CaseResult {
    let (_, secret) = f.secret()?;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let call = Call::new(CancelToken::new(), move |line| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    });
    let nobody = ServiceName::new("conformance-nobody")?;
    f.backend.images().tag(&named(f, &f.other).await?.id, &f.reference).await?;
    f.backend.stacks().up(&f.stack, std::slice::from_ref(&f.service.service), &call).await?;
    let error = f.backend.stacks().up(&f.stack, &[nobody], &call).await.err();
    let error = some(error, "the error about a service that is not there")?;
    f.happen(Accident::FilesBreak).await?;
    let broken = some(f.backend.stacks().render(&f.stack).await.err(), "the error about broken files")?;
    let told = lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
    let shown = format!("{told}\n{error:?}\n{:?}\n{broken:?}", error.hint());
    hold(!shown.contains(&secret), "an error or a line of progress holds the secret")
}

/// Dropping it leaves it done, not done or half done, and calling again settles it.
pub async fn up_after_it_was_dropped_settles_it(f: &Fixture) -> CaseResult {
    let (before, other) = (named(f, &f.reference).await?, named(f, &f.other).await?);
    for (polls, to) in [(2, &other), (6, &before)] {
        f.backend.images().tag(&to.id, &f.reference).await?;
        let call = Call::silent();
        let up_once = f.backend.stacks().up(&f.stack, std::slice::from_ref(&f.service.service), &call);
        killed(f, polls, up_once).await?;
        up(f).await?;
        let now = containers(f, &f.service.service).await?;
        let is_so = now.len() == 1 && now.values().all(|id| *id == to.id);
        hold(is_so, &format!("after it was dropped at poll {polls} there is {now:?}"))?;
    }
    Ok(())
}

/// Services that are not named are neither started, stopped nor replaced.
pub async fn up_leaves_other_services_alone(f: &Fixture) -> CaseResult {
    let before = containers(f, &f.bystander).await?;
    change(f).await?;
    same(&containers(f, &f.bystander).await?, &before, "the bystander's containers")?;
    hold(containers(f, &f.absent).await?.is_empty(), "a service that was not named was started")
}
