//! What is wrong is named, and no value of an env file with it.

use ala_promote_core::backend::{BackendError, BackendErrorKind};

use super::{Folder, composes, is_v1};

const ENV: &str = "GOOD=hunter2val\nURL=postgresql://me:p4ssphrase@db/x\n";

/// Renders one file with each Compose, expects a refusal, and checks that nothing secret is in it.
async fn refusals(file: &str, env: &str) -> Vec<(bool, BackendError)> {
    let folder = Folder::new(&[("compose.yml", file), (".env.staging", env)]);
    let mut all = Vec::new();
    for compose in composes().await {
        let error = compose.render(&folder.stack("p", &["compose.yml"], ".env.staging")).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Invalid, "{}: {error}", compose.describe());
        let shown = format!("{error:?} {error}");
        for secret in ["hunter2", "p4ssphrase"] {
            assert!(!shown.contains(secret), "{}: {shown}", compose.describe());
        }
        all.push((is_v1(&compose), error));
    }
    all
}

fn hint(error: &BackendError) -> &str {
    error.hint().unwrap_or_else(|| panic!("no hint: {error}"))
}

#[tokio::test]
async fn broken_yaml_names_file_and_line() {
    for (_, error) in refusals("services:\n  a:\n    image: x\n   bad: y\n", ENV).await {
        assert!(error.to_string().contains("compose.yml, line 4"), "{error}");
    }
}

#[tokio::test]
async fn of_several_files_the_broken_one_is_named() {
    let folder = Folder::new(&[
        ("a.yml", "services:\n  a:\n    image: x\n"),
        ("b.yml", "services:\n  a:\n    tabs:\n\t- x\n"),
        (".env", ""),
    ]);
    for compose in composes().await {
        let error = compose.render(&folder.stack("p", &["a.yml", "b.yml"], ".env")).await.unwrap_err();
        assert!(error.to_string().contains("b.yml, line 4"), "{error}");
    }
}

#[tokio::test]
async fn files_that_can_t_be_laid_over_each_other_may_stand_alone() {
    let folder = Folder::new(&[
        ("a.yml", "services:\n  a:\n    image: x\n    depends_on: [b]\n  b:\n    image: x\n"),
        ("b.yml", "services:\n  b:\n    image: x\n    depends_on: [a]\n  a:\n    image: x\n"),
        (".env", ""),
    ]);
    for compose in composes().await {
        let error = compose.render(&folder.stack("p", &["a.yml", "b.yml"], ".env")).await.unwrap_err();
        assert!(hint(&error).contains("[environments.staging] files = [\"b.yml\"]"), "{error}");
    }
}

#[tokio::test]
async fn variables_without_a_value_are_named() {
    let file = "services:\n  a:\n    image: x:${TAG}\n    environment: {P: $NOPE, D: \"${DEFAULT:-d}\"}\n";
    for (_, error) in refusals(file, ENV).await {
        let text = error.to_string();
        assert!(text.contains("`NOPE`, `TAG` are not set in") && text.contains(".env.staging"), "{text}");
        assert!(!text.contains("DEFAULT"), "{text}");
        assert!(hint(&error).contains("add NOPE=…, TAG=… to"), "{}", hint(&error));
    }
    for form in [":?must be set", "?must be set"] {
        let file = format!("services:\n  a:\n    image: \"x:${{REQUIRED{form}}}\"\n");
        for (_, error) in refusals(&file, ENV).await {
            assert!(error.to_string().contains("`REQUIRED` is not set"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_dollar_in_a_value_is_told_from_a_missing_variable() {
    let file = "services:\n  a:\n    image: x\n    environment: {P: \"${PASSWORD}\"}\n";
    let folder = Folder::new(&[("compose.yml", file), (".env.staging", "PASSWORD=pa$hunter2val\n")]);
    for compose in composes().await {
        let stack = folder.stack("p", &["compose.yml"], ".env.staging");
        match compose.render(&stack).await {
            // v1 takes only `${…}` for a variable.
            Ok(render) => {
                assert!(is_v1(&compose));
                assert_eq!(render.services["a"].environment["P"].reveal(), "pa$hunter2val");
            }
            Err(error) => assert!(hint(&error).contains("single quotes"), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_missing_env_file_of_the_stack_names_its_template() {
    let folder = Folder::new(&[("compose.yml", "services: {a: {image: x}}"), (".env.staging.template", "")]);
    for compose in composes().await {
        let error = compose.render(&folder.stack("p", &["compose.yml"], ".env.staging")).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Invalid);
        assert!(hint(&error).contains("cp .env.staging.template .env.staging"));
    }
}

#[tokio::test]
async fn a_missing_env_file_of_a_service_is_named() {
    for (_, error) in refusals("services:\n  a:\n    image: x\n    env_file: .env.gone\n", ENV).await {
        assert!(error.to_string().contains(".env.gone does not exist"), "{error}");
    }
}

#[tokio::test]
async fn a_service_of_nothing_is_named() {
    for (_, error) in refusals("services:\n  a:\n    command: x\n  b:\n    image: x\n", ENV).await {
        assert!(error.to_string().contains("service `a` has neither `image` nor `build`"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let folder = Folder::new(&[(".env", "")]);
    for compose in composes().await {
        let error = compose.render(&folder.stack("p", &["gone.yml"], ".env")).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Invalid);
        assert!(error.to_string().contains("gone.yml"), "{error}");
    }
}

#[tokio::test]
async fn lines_of_env_files_are_numbered_and_not_quoted() {
    let file = "services:\n  a:\n    image: x\n";
    let broken =
        [("A=1\nhunter2 is the word\n", 2), ("A=1\nB hunter2=x\n", 2), ("A=\"hunter2 without an end\n", 1)];
    for (env, line) in broken {
        for (v1, error) in refusals(file, env).await {
            let text = error.to_string();
            // v2 counts the line after an unclosed quote.
            let line = if v1 || !env.contains('"') { line } else { line + 1 };
            assert!(text.contains(&format!(".env.staging, line {line}")), "{text}");
        }
    }
}

#[tokio::test]
async fn values_are_not_quoted_in_errors() {
    // Both versions quote one or the other of these.
    for file in [
        "services:\n  a:\n    image: x\n    ports: [\"${GOOD}:80\"]\n",
        "services:\n  a:\n    image: x\n    restart: ${GOOD}\n    scale: ${URL}\n",
        "services:\n  a:\n    image: X${GOOD}\n",
        "services:\n  a:\n    image: x\n    volumes: [\"${GOOD}:/x\"]\n",
        "services:\n  a:\n    image: x\n    depends_on: [\"${GOOD}\"]\n",
    ] {
        refusals(file, ENV).await;
    }
}

#[tokio::test]
async fn a_file_of_the_first_format_is_refused() {
    for (v1, error) in refusals("a:\n  image: x\n", ENV).await {
        if v1 {
            assert!(hint(&error).contains("below `services:`"), "{error}");
        }
    }
}
