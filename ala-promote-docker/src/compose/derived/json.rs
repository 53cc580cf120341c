//! Changes to what v2 renders.

use ala_promote_core::domain::{PortMapping, StackChange};
use serde_json::{Map, Value};

use super::super::model::Port;
use super::super::render::mapping;
use super::with_aliases;

/// The render with these changes; `None` where it can't be read or has not got what they are about.
pub(super) fn changed(text: &str, changes: &[StackChange]) -> Option<String> {
    let mut rendered: Value = serde_json::from_str(text).ok()?;
    for change in changes {
        let services = rendered.get_mut("services")?.as_object_mut()?;
        let service = services.get_mut(change.service().as_str())?.as_object_mut()?;
        match change {
            StackChange::PortDropped { port, .. } => {
                let ports = service.get_mut("ports")?.as_array_mut()?;
                let before = ports.len();
                ports.retain(|entry| !is(entry, port));
                (ports.len() < before).then_some(())?;
            }
            StackChange::PortMoved { port, to, .. } => {
                let ports = service.get_mut("ports")?.as_array_mut()?;
                let entry = ports.iter_mut().find(|entry| is(entry, port))?.as_object_mut()?;
                entry.insert("published".to_owned(), to.to_string().into());
            }
            StackChange::ContainerRenamed { name, to, shared, .. } => rename(service, name, to, shared)?,
            StackChange::ImageRenamed { image, to, .. } => {
                let known = service.get_mut("image")?;
                (known.as_str()?.parse().ok().as_ref() == Some(image)).then_some(())?;
                *known = to.to_string().into();
            }
            _ => return None,
        }
    }
    Some(rendered.to_string())
}

fn is(entry: &Value, port: &PortMapping) -> bool {
    let entry: Option<Port> = serde_json::from_value(entry.clone()).ok();
    entry.and_then(|entry| mapping(&entry)).as_ref() == Some(port)
}

fn rename(service: &mut Map<String, Value>, name: &str, to: &str, shared: &[String]) -> Option<()> {
    let known = service.get_mut("container_name")?;
    (known.as_str() == Some(name)).then_some(())?;
    *known = to.into();
    if !service.contains_key("network_mode") {
        let networks = match service.remove("networks") {
            Some(Value::Object(networks)) => networks,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return None,
        };
        service.insert("networks".to_owned(), Value::Object(with_aliases(networks, name, shared)?));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all_dropped, called, dropped, moved, renamed, renamed_beside};
    use super::*;

    const RENDERED: &str = include_str!("../../../tests/compose/rendered-2.40.3.json");

    fn services(text: &str) -> Value {
        serde_json::from_str::<Value>(text).unwrap()["services"].take()
    }

    #[test]
    fn only_the_ports_are_taken_out() {
        let before: Value = serde_json::from_str(RENDERED).unwrap();
        let text = changed(RENDERED, &[dropped(None, Some(8080), 80, "tcp")]).unwrap();
        let mut after: Value = serde_json::from_str(&text).unwrap();
        let ports = |value: &Value| value["services"]["web"]["ports"].clone();
        assert_eq!(ports(&after).as_array().unwrap().len(), ports(&before).as_array().unwrap().len() - 1);
        after["services"]["web"]["ports"] = ports(&before);
        assert_eq!(after, before);
        assert_eq!(
            services(&changed(RENDERED, &all_dropped()).unwrap())["web"]["ports"],
            serde_json::json!([])
        );
        assert_eq!(changed(RENDERED, &[dropped(None, Some(1), 80, "tcp")]), None);
    }

    #[test]
    fn only_the_number_of_a_moved_port_changes() {
        let text = changed(RENDERED, &[moved(Some("127.0.0.1"), 9000, 90, 19000)]).unwrap();
        assert_eq!(text.replace("\"19000\"", "\"9000\""), changed(RENDERED, &[]).unwrap());
        assert_eq!(changed(RENDERED, &[moved(None, 1, 80, 10001)]), None);
    }

    #[test]
    fn an_image_is_called_otherwise() {
        let text = r#"{"services":{"a":{"image":"acme/app"},"b":{"image":"acme/app:1"},"c":{"build":"."}}}"#;
        let after = changed(text, &[called("a", "acme/app:latest", "acme/app:latest-2")]).unwrap();
        assert_eq!(after, text.replace("\"acme/app\"", "\"acme/app:latest-2\""));
        assert_eq!(changed(text, &[called("b", "acme/app:2", "acme/app:3")]), None);
        assert_eq!(changed(text, &[called("c", "c:latest", "c:2")]), None);
    }

    #[test]
    fn a_renamed_container_keeps_its_name_within_its_networks() {
        let text = r#"{"services":{
            "a":{"container_name":"x","networks":{"front":{"aliases":["w"]},"back":null}},
            "b":{"container_name":"y"},
            "c":{"container_name":"z","network_mode":"host"}}}"#;
        let changes = [renamed("a", "x", "x-staging"), renamed("b", "y", "y2"), renamed("c", "z", "z2")];
        let expected = serde_json::json!({
            "a": {"container_name": "x-staging",
                  "networks": {"front": {"aliases": ["w", "x"]}, "back": {"aliases": ["x"]}}},
            "b": {"container_name": "y2", "networks": {"default": {"aliases": ["y"]}}},
            "c": {"container_name": "z2", "network_mode": "host"},
        });
        assert_eq!(services(&changed(text, &changes).unwrap()), expected);
        assert_eq!(changed(text, &[renamed("a", "y", "z")]), None);
        // Where others are, the name would be taken for theirs.
        let apart = changed(text, &[renamed_beside("a", "x", "x2", "back")]).unwrap();
        let expected = serde_json::json!({"front": {"aliases": ["w", "x"]}, "back": null});
        assert_eq!(services(&apart)["a"]["networks"], expected);
    }
}
