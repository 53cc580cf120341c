//! Building and starting on the engine of this environment.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ala_promote_core::backend::{BackendErrorKind, Call, CancelToken};
use ala_promote_core::domain::{ImageReference, PortMapping, Render, StackChange, StackRef};
use ala_promote_testkit::free_port;

use super::{Folder, composes, default_compose, environment, is_v1};
use crate::compose::Compose;

/// An image that runs until it is stopped. With a label of its own in the first step: the classic builder loses a step that
/// it found in its cache when another test removes that image.
const DOCKERFILE: &str = "FROM scratch\nLABEL of=NAME\nCOPY busybox /bin/busybox\nARG TEXT\n\
                          RUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo text is $TEXT\"]\n\
                          CMD [\"/bin/busybox\", \"sleep\", \"600\"]\n";

/// A folder with a stack, its Compose, and a name under which all is removed at the end.
struct Lab {
    compose: Compose,
    folder: Folder,
    name: String,
}

impl Lab {
    async fn new(compose_file: &str) -> Option<Self> {
        Self::with(default_compose(&environment()).await?, compose_file)
    }

    /// `None`, loudly, where there is no engine; but not in CI.
    fn with(compose: Compose, compose_file: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let engine = Command::new("docker").args(["version", "-f", "{{.Server.Version}}"]).output();
        let ready = engine.is_ok_and(|output| output.status.success());
        let busybox =
            ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::fs::exists(path).unwrap());
        let (true, Some(busybox)) = (ready, busybox) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "no engine, or no busybox-static");
            eprintln!("SKIPPED: no engine answers, or busybox-static is not installed");
            return None;
        };
        let name = format!("alacompose{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Folder::new(&[
            ("compose.yml", &compose_file.replace("NAME", &name)),
            (".env", "TEXT=hunter2val\n"),
            ("app/Dockerfile", &DOCKERFILE.replace("NAME", &name)),
        ]);
        std::fs::copy(busybox, folder.path("app/busybox")).unwrap();
        std::fs::set_permissions(folder.path("app/busybox"), PermissionsExt::from_mode(0o755)).unwrap();
        Some(Self { compose, folder, name })
    }

    fn stack(&self) -> StackRef {
        self.folder.stack(&self.name, &["compose.yml"], ".env")
    }

    fn reference(&self, service: &str) -> ImageReference {
        format!("{}-{service}:built", self.name).parse().unwrap()
    }

    async fn build(&self, services: &[&str], call: &Call) -> ala_promote_core::backend::BackendResult<()> {
        let targets: BTreeMap<_, _> =
            services.iter().map(|service| (service.parse().unwrap(), self.reference(service))).collect();
        self.compose.build(&self.stack(), &targets, call).await
    }

    async fn up(&self, services: &[&str]) -> ala_promote_core::backend::BackendResult<()> {
        let services: Vec<_> = services.iter().map(|service| service.parse().unwrap()).collect();
        self.compose.up(&self.stack(), &services, &Call::silent()).await
    }

    /// What a person types in the folder.
    fn by_hand(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.compose.tool.program);
        command.args(&self.compose.tool.prefix).args(["-p", &self.name]).args(args);
        command.current_dir(self.folder.dir()).output().unwrap()
    }

    fn container(&self, service: &str) -> Option<String> {
        let filters = [
            format!("label=com.docker.compose.project={}", self.name),
            format!("label=com.docker.compose.service={service}"),
        ];
        let id = docker(&["ps", "-aq", "--no-trunc", "--filter", &filters[0], "--filter", &filters[1]]);
        Some(id).filter(|id| !id.is_empty())
    }

    fn image(&self, reference: &str) -> Option<String> {
        let output = Command::new("docker").args(["image", "inspect", "-f", "{{.Id}}", reference]).output();
        let output = output.unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let label = format!("label=com.docker.compose.project={}", self.name);
        for (list, remove) in [
            (vec!["ps", "-aq", "--filter", &label], vec!["rm", "-f", "-v"]),
            (vec!["network", "ls", "-q", "--filter", &label], vec!["network", "rm"]),
        ] {
            let found = docker(&list);
            let mut args = remove;
            args.extend(found.lines());
            let _ = Command::new("docker").args(args).output();
        }
        let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let ours: Vec<_> = images.lines().filter(|image| image.starts_with(&self.name)).collect();
        let _ = Command::new("docker").args(["rmi", "-f"]).args(ours).output();
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Names of running processes that mention this text.
fn processes(text: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    all.filter(|line| line.contains(text)).collect()
}

const STACK: &str = "services:
  api:
    image: NAME-api:staging
    build: {context: ./app, args: {TEXT: '${TEXT}'}}
    stop_grace_period: 0s
  web:
    image: NAME-web:staging
    build: ./app
    volumes: [./app:/mounted]
    stop_grace_period: 0s
  worker:
    image: NAME-api:staging
    depends_on: [api]
    stop_grace_period: 0s
";

#[tokio::test]
async fn builds_go_to_their_own_tags_and_no_other() {
    let Some(lab) = Lab::new(STACK).await else { return };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lines);
    let call = Call::new(CancelToken::new(), move |line: &str| seen.lock().unwrap().push(line.to_owned()));
    lab.build(&["api", "web"], &call).await.unwrap();
    for service in ["api", "web"] {
        assert!(lab.image(&lab.reference(service).to_string()).is_some(), "{service} was not built");
        assert_eq!(lab.image(&format!("{}-{service}:staging", lab.name)), None);
    }
    let lines = lines.lock().unwrap();
    assert!(lines.iter().any(|line| line.contains("text is <TEXT>")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("hunter2val")), "{lines:?}");
    let listed = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false"]);
    assert_eq!(listed.lines().filter(|line| line.starts_with(&lab.name)).count(), 2, "{listed}");
}

#[tokio::test]
async fn the_same_content_gets_the_same_id() {
    let Some(lab) = Lab::new(STACK).await else { return };
    lab.build(&["web"], &Call::silent()).await.unwrap();
    let first = lab.image(&lab.reference("web").to_string());
    lab.build(&["web"], &Call::silent()).await.unwrap();
    assert_eq!(lab.image(&lab.reference("web").to_string()), first);
}

#[tokio::test]
async fn tags_of_the_file_are_not_moved() {
    let file = "services:\n  api:\n    image: NAME-api:staging\n    build: {context: ./app, tags: ['NAME-other:1']}\n";
    let Some(lab) = Lab::new(file).await else { return };
    if is_v1(&lab.compose) {
        return; // It knows no `tags`.
    }
    lab.build(&["api"], &Call::silent()).await.unwrap();
    assert!(lab.image(&lab.reference("api").to_string()).is_some());
    assert_eq!(lab.image(&format!("{}-other:1", lab.name)), None);
}

#[tokio::test]
async fn a_failed_build_ends_with_its_last_lines() {
    let Some(lab) = Lab::new(STACK).await else { return };
    let missing = format!("/no-{}", lab.name);
    lab.folder.write(
        "app/Dockerfile",
        &format!("FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"cat\", \"{missing}\"]\n"),
    );
    let error = lab.build(&["web"], &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Failed);
    assert!(error.to_string().contains(&missing), "{error}");
    assert!(error.to_string().lines().count() <= 21, "{error}");
    let left = docker(&["ps", "-a", "--no-trunc", "--format", "{{.Command}}"]);
    assert!(!left.contains(&missing), "the container of the step is left: {left}");
    let error = lab.build(&["worker"], &Call::silent()).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Invalid);
    assert!(error.to_string().contains("`worker` has no `build`"), "{error}");
}

#[tokio::test]
async fn a_cancelled_build_leaves_no_child() {
    let Some(lab) = Lab::new(STACK).await else { return };
    let mark = format!("{}sleep", lab.name);
    let slow = format!(
        "FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"echo {mark}; sleep 120\"]\n"
    );
    lab.folder.write("app/Dockerfile", &slow);
    let cancel = CancelToken::new();
    let stop = cancel.clone();
    let call = Call::new(cancel, move |line: &str| {
        if line.contains("sleep 120") {
            stop.cancel();
        }
    });
    let before = Instant::now();
    let error = lab.build(&["web"], &call).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Cancelled, "{error}");
    assert!(before.elapsed() < Duration::from_secs(60));
    assert_eq!(processes(&lab.folder.dir().display().to_string()), [""; 0]);
    // The engine ends the step when nobody waits for it any more.
    for _ in 0..100 {
        if processes(&mark).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the build goes on: {:?}", processes(&mark));
}

#[tokio::test]
async fn starts_what_is_named_and_a_later_up_by_hand_leaves_it_alone() {
    let Some(lab) = Lab::new(STACK).await else { return };
    lab.build(&["api", "web"], &Call::silent()).await.unwrap();
    for service in ["api", "web"] {
        docker(&["tag", &lab.reference(service).to_string(), &format!("{}-{service}:staging", lab.name)]);
    }
    lab.up(&["web"]).await.unwrap();
    let web = lab.container("web").expect("web was not started");
    assert_eq!(lab.container("api"), None, "only what is named is started");
    lab.up(&[]).await.unwrap();
    assert_eq!(lab.container("api"), None, "no name is not all names");

    let by_hand = lab.by_hand(&["up", "-d", "--no-build"]);
    assert!(by_hand.status.success(), "{}", String::from_utf8_lossy(&by_hand.stderr));
    assert_eq!(lab.container("web"), Some(web.clone()), "a later `up` by hand replaced it");
    let (api, worker) = (lab.container("api").unwrap(), lab.container("worker").unwrap());
    lab.up(&["api", "web", "worker"]).await.unwrap();
    assert_eq!(lab.container("api"), Some(api.clone()), "what was started by hand was replaced");
    assert_eq!(lab.container("worker"), Some(worker.clone()));

    // A moved tag is what `up` is for; what does not use it stays.
    docker(&["tag", &lab.reference("web").to_string(), &format!("{}-api:staging", lab.name)]);
    lab.up(&["api"]).await.unwrap();
    assert_ne!(lab.container("api"), Some(api));
    assert_eq!(lab.container("worker"), Some(worker), "a service that was not named was replaced");
    assert_eq!(lab.container("web"), Some(web));
    assert_eq!(docker(&["inspect", "-f", "{{.State.Running}}", &lab.container("api").unwrap()]), "true");
}

#[tokio::test]
async fn labels_name_folder_and_files() {
    let Some(lab) = Lab::new(STACK).await else { return };
    lab.build(&["web"], &Call::silent()).await.unwrap();
    docker(&["tag", &lab.reference("web").to_string(), &format!("{}-web:staging", lab.name)]);
    lab.up(&["web"]).await.unwrap();
    let id = lab.container("web").unwrap();
    let label = |name: &str| {
        let format = format!("{{{{index .Config.Labels \"com.docker.compose.project.{name}\"}}}}");
        docker(&["inspect", "-f", &format, &id])
    };
    let dir = lab.folder.dir();
    assert_eq!(label("working_dir"), dir.display().to_string());
    let shown =
        |name: &str| if is_v1(&lab.compose) { name.into() } else { dir.join(name).display().to_string() };
    assert_eq!(label("config_files"), shown("compose.yml"));
    assert_eq!(label("environment_file"), shown(".env"));
}

#[tokio::test]
async fn orphans_are_left_alone_whatever_the_env_file_says() {
    let Some(lab) = Lab::new(STACK).await else { return };
    lab.build(&["web"], &Call::silent()).await.unwrap();
    for service in ["api", "web"] {
        docker(&["tag", &lab.reference("web").to_string(), &format!("{}-{service}:staging", lab.name)]);
    }
    lab.up(&["web", "worker"]).await.unwrap();
    assert_eq!(lab.container("api"), None, "what a service depends on is not started with it");
    let worker = lab.container("worker").unwrap();
    let text = std::fs::read_to_string(lab.folder.path("compose.yml")).unwrap();
    lab.folder.write("compose.yml", &text[..text.find("  worker:").unwrap()]);
    lab.folder.write(".env", "TEXT=x\nCOMPOSE_REMOVE_ORPHANS=true\n");
    lab.up(&["web", "api"]).await.unwrap();
    assert_eq!(lab.container("worker"), Some(worker));
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_conflict() {
    let port = free_port().unwrap();
    let file = format!(
        "services:\n  a: &a\n    image: NAME-a:1\n    build: ./app\n    stop_grace_period: 0s\n    ports: ['{port}:80']\n  b: *a\n"
    );
    let Some(lab) = Lab::new(&file).await else { return };
    lab.build(&["a"], &Call::silent()).await.unwrap();
    docker(&["tag", &lab.reference("a").to_string(), &format!("{}-a:1", lab.name)]);
    lab.up(&["a"]).await.unwrap();
    let error = lab.up(&["b"]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Conflict, "{error}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test]
async fn a_dropped_port_is_not_asked_for_and_nothing_else_differs() {
    let (inherited, own) = (free_port().unwrap(), free_port().unwrap());
    let file = format!(
        "services:\n  a:\n    image: NAME-a:1\n    build: ./app\n    stop_grace_period: 0s\n    \
         environment: [VERSION=1e5, 'MONEY=$$5', 'TEXT=${{TEXT}}']\n    ports: ['{inherited}:80', '{own}:80']\n"
    );
    let Some(lab) = Lab::new(&file).await else { return };
    lab.build(&["a"], &Call::silent()).await.unwrap();
    docker(&["tag", &lab.reference("a").to_string(), &format!("{}-a:1", lab.name)]);
    let mut stack = lab.stack();
    stack.derived_file = Some(lab.folder.path("derived.json"));
    stack.changes = vec![StackChange::PortDropped {
        service: "a".parse().unwrap(),
        port: PortMapping { host_ip: None, published: Some(inherited), target: 80, protocol: "tcp".into() },
    }];
    let start = || async {
        lab.compose.up(&stack, &["a".parse().unwrap()], &Call::silent()).await.unwrap();
        lab.container("a").unwrap()
    };
    let id = start().await;
    let ports = docker(&["inspect", "-f", "{{json .HostConfig.PortBindings}}", &id]);
    assert!(ports.contains(&own.to_string()) && !ports.contains(&inherited.to_string()), "{ports}");
    let variables = docker(&["inspect", "-f", "{{json .Config.Env}}", &id]);
    for variable in ["VERSION=1e5", "MONEY=$5", "TEXT=hunter2val"] {
        assert!(variables.contains(&format!("\"{variable}\"")), "{variables}");
    }
    let mode = std::fs::metadata(lab.folder.path("derived.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(start().await, id, "the same again replaces nothing");
}

#[tokio::test]
async fn a_moved_port_and_a_renamed_container_leave_the_name_to_its_networks() {
    let (taken, to) = (free_port().unwrap(), free_port().unwrap());
    let file = format!(
        "services:\n  a:\n    image: NAME-a:1\n    build: ./app\n    stop_grace_period: 0s\n    \
         container_name: NAME-fixed\n    ports: ['127.0.0.1:{taken}:80']\n"
    );
    let Some(lab) = Lab::new(&file).await else { return };
    lab.build(&["a"], &Call::silent()).await.unwrap();
    docker(&["tag", &lab.reference("a").to_string(), &format!("{}-a:1", lab.name)]);
    let (service, host_ip) = ("a".parse().unwrap(), Some("127.0.0.1".to_owned()));
    let port = PortMapping { host_ip, published: Some(taken), target: 80, protocol: "tcp".into() };
    let name = format!("{}-fixed", lab.name);
    let mut stack = lab.stack();
    stack.derived_file = Some(lab.folder.path("derived.json"));
    stack.changes = vec![
        StackChange::PortMoved { service: "a".parse().unwrap(), port, to },
        StackChange::ContainerRenamed {
            service,
            name: name.clone(),
            to: format!("{name}-2"),
            shared: Vec::new(),
        },
    ];
    let start = || async {
        lab.compose.up(&stack, &["a".parse().unwrap()], &Call::silent()).await.unwrap();
        lab.container("a").unwrap()
    };
    let id = start().await;
    let ports = docker(&["inspect", "-f", "{{json .HostConfig.PortBindings}}", &id]);
    assert!(ports.contains(&to.to_string()) && !ports.contains(&taken.to_string()), "{ports}");
    assert_eq!(docker(&["inspect", "-f", "{{.Name}}", &id]).trim(), format!("/{name}-2"));
    let networks = docker(&["inspect", "-f", "{{json .NetworkSettings.Networks}}", &id]);
    assert!(networks.contains(&format!("\"{name}\"")), "{networks}");
    assert_eq!(start().await, id, "the same again replaces nothing");
}

#[tokio::test]
async fn another_env_file_is_read_in_the_place_of_one_that_the_files_give() {
    let file = "services:\n  a:\n    image: NAME-a:1\n    build: ./app\n    stop_grace_period: 0s\n    \
                env_file: [given.env, more.env]\n    environment:\n      SAID: said\n  b:\n    image: NAME-a:1\n    \
                env_file: given.env\n";
    let Some(lab) = Lab::new(file).await else { return };
    lab.folder
        .write("given.env", "SECRET=of production\nBOTH=production\nSAID=production\nMORE=production\n");
    lab.folder.write("more.env", "MORE=more\n");
    lab.folder.write("own.env", "BOTH=own\nSAID=own\nMORE=own\nNEW=1e5\n");
    lab.folder.write("empty.env", "");
    let mut stack = lab.stack();
    let read = |name: &str| BTreeMap::from([(lab.folder.path("given.env"), lab.folder.path(name))]);
    let variables = |render: &Render, service: &str| {
        let all = render.services[service].environment.iter();
        all.map(|(key, value)| format!("{key}={}", value.reveal())).collect::<Vec<_>>()
    };

    stack.service_env_files = read("own.env");
    let render = lab.compose.render(&stack).await.unwrap();
    assert_eq!(variables(&render, "a"), ["BOTH=own", "MORE=more", "NEW=1e5", "SAID=said"]);
    assert_eq!(variables(&render, "b"), ["BOTH=own", "MORE=own", "NEW=1e5", "SAID=own"]);
    let files = [lab.folder.path("own.env"), lab.folder.path("more.env")];
    assert_eq!(render.services["a"].env_files, files);
    stack.service_env_files = read("empty.env");
    let render = lab.compose.render(&stack).await.unwrap();
    assert_eq!(
        (variables(&render, "a"), variables(&render, "b").len()),
        (vec!["MORE=more".into(), "SAID=said".into()], 0)
    );

    // It is what is started, too.
    lab.build(&["a"], &Call::silent()).await.unwrap();
    docker(&["tag", &lab.reference("a").to_string(), &format!("{}-a:1", lab.name)]);
    stack.service_env_files = read("own.env");
    stack.derived_file = Some(lab.folder.path("derived.json"));
    lab.compose.up(&stack, &["a".parse().unwrap()], &Call::silent()).await.unwrap();
    let variables = docker(&["inspect", "-f", "{{json .Config.Env}}", &lab.container("a").unwrap()]);
    assert!(variables.contains("BOTH=own") && !variables.contains("production"), "{variables}");
    let derived = std::fs::read_to_string(lab.folder.path("derived.json")).unwrap();
    assert!(!derived.contains("production"), "{derived}");

    // A value that is made of one that is gone is no value, and a file that is gone no file.
    stack.service_env_files = read("gone.env");
    let error = lab.compose.render(&stack).await.unwrap_err().to_string();
    assert!(error.contains("gone.env does not exist"), "{error}");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_a_failure() {
    let Some(lab) = Lab::new("services:\n  a:\n    image: 127.0.0.1:1/NAME:gone\n").await else { return };
    let error = lab.up(&["a"]).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Failed, "{error}");
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert_eq!(lab.container("a"), None);
}

#[tokio::test]
async fn a_pull_policy_does_not_replace_what_is_present() {
    let file = "services:\n  a:\n    image: 127.0.0.1:1/NAME:1\n    pull_policy: always\n    stop_grace_period: 0s\n  \
                b:\n    image: NAME-b:1\n    build: ./app\n";
    let Some(lab) = Lab::new(file).await else { return };
    lab.build(&["b"], &Call::silent()).await.unwrap();
    let reference = format!("127.0.0.1:1/{}:1", lab.name);
    docker(&["tag", &lab.reference("b").to_string(), &reference]);
    let started = lab.up(&["a"]).await;
    docker(&["rmi", "-f", &reference]);
    started.unwrap();
}

#[tokio::test]
async fn v1_that_breaks_on_a_new_engine_names_the_mend() {
    let Some(v1) = composes().await.into_iter().find(is_v1) else { return };
    let engine = docker(&["version", "-f", "{{.Server.Version}}"]);
    // Engines from 26 on leave out of an image what v1 reads of it.
    let major = engine.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < 26) {
        return;
    }
    let Some(lab) = Lab::with(v1, STACK) else { return };
    let image = format!("{}-web:staging", lab.name);
    for text in ["one", "two"] {
        let context = lab.folder.path("app").display().to_string();
        docker(&["build", "-q", "-t", &image, "--build-arg", &format!("TEXT={text}"), &context]);
        let started = lab.up(&["web"]).await;
        if text == "two" {
            let error = started.unwrap_err();
            assert_eq!(error.kind(), BackendErrorKind::Failed);
            assert!(error.hint().unwrap().contains("Compose 2"), "{error}");
            assert!(!error.to_string().contains("Traceback"), "{error}");
        }
    }
}
