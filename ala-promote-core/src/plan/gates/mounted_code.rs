//! A promoted service runs what its image holds, not code that is mounted over it: else what was tested is not what is
//! promoted.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::lines::seen_in;
use crate::config::ConfigLine;
use crate::domain::{Bind, ServiceSpec, Verb, is_source_file};
use crate::plan::pairing::promoted_services;
use crate::plan::{Finding, PlanInput, Severity};

const GATE: &str = "mounted-code";

/// Names of folders that hold code in a build context, as against configuration and data.
const CODE_FOLDERS: [&str; 12] = [
    "src", "app", "apps", "lib", "code", "packages", "public", "dist", "client", "server", "backend",
    "frontend",
];

pub(super) fn check(input: &PlanInput<'_>) -> Vec<Finding> {
    let Some(target) = input.target() else { return Vec::new() };
    let reason = input.settings.isolation.mounted_code.as_ref();
    let mut findings = Vec::new();
    for promoted in promoted_services(input) {
        // The context may be known only where it is built.
        let contexts = [promoted.spec, promoted.builder_spec].into_iter().filter_map(context);
        let contexts: Vec<PathBuf> = contexts.collect();
        // One may be mounted in several places.
        let sources: BTreeSet<PathBuf> = promoted.spec.binds.iter().map(|bind| plain(&bind.source)).collect();
        for bind in sources {
            if !is_code(&bind, &contexts) && !holds_code(&bind, promoted.spec) {
                continue;
            }
            let service = promoted.service;
            let what = format!("service {service} runs code that is mounted into it");
            let finding = match reason {
                Some(reason) => Finding::note(GATE, format!("{what}, by the config: {reason}")),
                None => Finding::refuse(GATE, format!("{what}, not what its image holds"))
                    .mend(format!("take the mount out of services.{service}.volumes: the image has the code"))
                    .mend_in_config(
                        "or say why",
                        [ConfigLine::new(&["isolation"], "mounted_code", "…").if_so("if there is a reason")],
                    ),
            };
            let finding = seen_in(finding, &target.render, &format!("services.{service}.volumes"));
            findings.push(finding.seen(format!("mounted: {}", bind.display())));
        }
    }
    // A rollback starts what ran before as it ran.
    if matches!(input.request.verb, Verb::Rollback { .. }) {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Note);
    }
    findings
}

/// Whether what a service mounts is its code.
pub(super) fn is_mounted(bind: &Bind, spec: &ServiceSpec) -> bool {
    let contexts: Vec<PathBuf> = context(spec).into_iter().collect();
    let source = plain(&bind.source);
    is_code(&source, &contexts) || holds_code(&source, spec)
}

fn context(spec: &ServiceSpec) -> Option<PathBuf> {
    let context = PathBuf::from(spec.build.as_ref()?.settings.get("context")?.reveal());
    context.is_absolute().then_some(context)
}

/// Whether a mount holds code: a build context or what it lies in; within one, a folder or file that is code by its
/// name.
fn is_code(bind: &Path, contexts: &[PathBuf]) -> bool {
    let name = bind.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let named_so = CODE_FOLDERS.contains(&name) || is_source_file(bind);
    contexts.iter().any(|context| context.starts_with(bind) || (bind.starts_with(context) && named_so))
}

/// Whether a mounted folder with source files is the project's own, or lies in a folder that is code by its name. A
/// folder of any other name may be configuration or data that happens to be written so.
fn holds_code(bind: &Path, spec: &ServiceSpec) -> bool {
    let is_code_folder =
        |part: Component<'_>| part.as_os_str().to_str().is_some_and(|p| CODE_FOLDERS.contains(&p));
    let within = spec.source_binds.get(bind);
    within.is_some_and(|within| within.as_os_str().is_empty() || within.components().any(is_code_folder))
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_code_from_configuration_and_data() {
        let contexts = [PathBuf::from("/srv/shop/web")];
        for (bind, code) in [
            ("/srv/shop/web", true),
            ("/srv/shop", true),
            ("/srv/shop/./web/src", true),
            ("/srv/shop/x/../web/main.py", true),
            ("/srv/shop/web/nginx.conf", false),
            ("/srv/shop/web/uploads", false),
            ("/srv/shop/data", false),
            ("/srv/other/src", false),
        ] {
            assert_eq!(is_code(&plain(Path::new(bind)), &contexts), code, "{bind}");
        }
        assert!(!is_code(Path::new("/srv/shop/web/src"), &[]));
    }

    #[test]
    fn a_folder_with_source_files_is_code_where_its_place_says_so_too() {
        for (within, code) in
            [("", true), ("src/api", true), ("web/src", true), ("config", false), ("uploads/app-1", false)]
        {
            let bind = Path::new("/srv/shop").join(within);
            let spec = ServiceSpec {
                source_binds: [(bind.clone(), PathBuf::from(within))].into(),
                ..ServiceSpec::default()
            };
            assert_eq!(holds_code(&bind, &spec), code, "{within}");
            assert!(!holds_code(&bind, &ServiceSpec::default()));
        }
    }
}
