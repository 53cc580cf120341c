//! The request that makes a saved container again, such that a later `docker compose up` leaves it alone: Compose
//! compares labels, and those stay.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::saved::Saved;
use crate::engine::ApiVersion;
use crate::labels;

/// From here on a container is created with all its networks, before with one.
const MANY_NETWORKS: ApiVersion = ApiVersion(1, 44);

/// How the image is named in the request, and what of its configuration matters.
#[derive(Debug, Clone)]
pub(super) struct ImageToUse {
    /// The reference, where it names the image at this moment; else the id.
    pub(super) name: String,
    /// Whether `name` is the id, so that the reference has to be kept in a label.
    pub(super) is_by_id: bool,
    /// Whether the image has an entrypoint, which a container without one must not get.
    pub(super) has_entrypoint: bool,
}

/// The body of the request.
pub(super) fn create_body(saved: Saved<'_>, image: &ImageToUse, api: ApiVersion) -> Value {
    // The image is the very same, so its defaults, which the saved configuration holds, are what it would get anyway.
    let mut body = saved.part("Config").cloned().unwrap_or_default();
    body.insert("Image".to_owned(), json!(image.name));
    body.insert("Labels".to_owned(), labels_to_use(saved, image));
    let is_empty = |value: Option<&Value>| value.and_then(Value::as_array).is_none_or(Vec::is_empty);
    if image.has_entrypoint && is_empty(body.get("Entrypoint")) {
        // Nothing said means the image's; this is how the API spells "none".
        body.insert("Entrypoint".to_owned(), json!([""]));
    }
    clear_given_hostname(saved, &mut body);
    let mac = body.remove("MacAddress").filter(|mac| mac.as_str().is_some_and(|mac| !mac.is_empty()));
    let mut endpoints = endpoints_at_create(saved, api);
    match (mac, endpoints.get_mut(primary_network(saved).unwrap_or_default())) {
        (Some(mac), Some(Value::Object(endpoint))) if api >= MANY_NETWORKS => {
            endpoint.insert("MacAddress".to_owned(), mac);
        }
        (Some(mac), _) => {
            body.insert("MacAddress".to_owned(), mac);
        }
        (None, _) => {}
    }
    body.insert("HostConfig".to_owned(), host_config(saved));
    body.insert("NetworkingConfig".to_owned(), json!({ "EndpointsConfig": endpoints }));
    Value::Object(body)
}

/// How the container joins a network, made from how it was attached: what was configured stays, what the engine chose
/// is chosen anew.
pub(super) fn endpoint(saved: Saved<'_>, attached: &Value) -> Value {
    let mut fresh = Map::new();
    for key in ["IPAMConfig", "Links", "DriverOpts", "GwPriority"] {
        if let Some(value) = attached.get(key).filter(|value| !value.is_null()) {
            fresh.insert(key.to_owned(), value.clone());
        }
    }
    let aliases: Vec<&Value> = attached
        .get("Aliases")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        // Older engines list the id among them, and add the new one by themselves.
        .filter(|alias| alias.as_str() != Some(saved.short_id()))
        .collect();
    if !aliases.is_empty() {
        fresh.insert("Aliases".to_owned(), json!(aliases));
    }
    Value::Object(fresh)
}

/// Whether it has networks to join; those of the host and none are modes, not networks.
pub(super) fn joins_networks(saved: Saved<'_>) -> bool {
    !matches!(saved.network_mode(), "host" | "none")
}

fn endpoints_at_create(saved: Saved<'_>, api: ApiVersion) -> Map<String, Value> {
    if !joins_networks(saved) {
        return Map::new();
    }
    let primary = primary_network(saved);
    saved
        .networks()
        .filter(|(name, _)| api >= MANY_NETWORKS || Some(*name) == primary)
        .map(|(name, attached)| (name.to_owned(), endpoint(saved, attached)))
        .collect()
}

/// The network that the mode names, by name or by id.
fn primary_network<'a>(saved: Saved<'a>) -> Option<&'a str> {
    let mode = match saved.network_mode() {
        "default" => "bridge",
        mode => mode,
    };
    let is_it = |name: &str, attached: &Value| {
        name == mode || attached.get("NetworkID").and_then(Value::as_str) == Some(mode)
    };
    saved.networks().find(|(name, attached)| is_it(name, attached)).map(|(name, _)| name)
}

fn labels_to_use(saved: Saved<'_>, image: &ImageToUse) -> Value {
    let mut labels = saved.labels();
    // It told Compose that this container was about to replace another.
    labels.remove(labels::REPLACE);
    labels.insert(labels::RESTORED_FROM, saved.id);
    match saved.image_reference().filter(|_| image.is_by_id) {
        Some(reference) => labels.insert(labels::IMAGE_REFERENCE, reference),
        None => labels.remove(labels::IMAGE_REFERENCE),
    };
    json!(labels)
}

/// A hostname that the engine chose is chosen anew.
fn clear_given_hostname(saved: Saved<'_>, body: &mut Map<String, Value>) {
    let is_chosen = body.get("Hostname").and_then(Value::as_str) == Some(saved.short_id());
    let is_hosts_own = saved.network_mode() == "host" || saved.host_text("UTSMode") == "host";
    if is_hosts_own {
        body.remove("Domainname");
    }
    if is_hosts_own || is_chosen {
        body.remove("Hostname");
    }
}

/// Its host configuration, with every volume by name: one without a name would be made anew, and empty.
fn host_config(saved: Saved<'_>) -> Value {
    let mut config = saved.part("HostConfig").cloned().unwrap_or_default();
    let mut mounts = match config.remove("Mounts") {
        Some(Value::Array(mounts)) => mounts,
        _ => Vec::new(),
    };
    for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
        let is_unnamed = mount.get("Source").and_then(Value::as_str).unwrap_or_default().is_empty();
        if is_unnamed && mount.get("Type").and_then(Value::as_str) == Some("volume") {
            let target =
                mount.get("Target").and_then(Value::as_str).unwrap_or_default().trim_end_matches('/');
            let volume = saved.mounts().find(|m| m.target.trim_end_matches('/') == target).map(|m| m.volume);
            mount.insert("Source".to_owned(), json!(volume));
        }
    }
    let said = said_targets(&config, &mounts);
    for mount in saved.mounts().filter(|mount| !said.contains(mount.target.trim_end_matches('/'))) {
        mounts.push(json!({
            "Type": "volume",
            "Source": mount.volume,
            "Target": mount.target,
            "ReadOnly": !mount.writable,
            // It was filled from the image when it was made; emptied since, it stays empty.
            "VolumeOptions": { "NoCopy": true },
        }));
    }
    if !mounts.is_empty() {
        config.insert("Mounts".to_owned(), Value::Array(mounts));
    }
    Value::Object(config)
}

/// Where the configuration says what to mount.
fn said_targets(config: &Map<String, Value>, mounts: &[Value]) -> BTreeSet<String> {
    let binds = config.get("Binds").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let of_binds = binds.filter_map(|bind| bind.split(':').nth(1));
    let of_mounts = mounts.iter().filter_map(|mount| mount.get("Target").and_then(Value::as_str));
    of_binds.chain(of_mounts).map(|target| target.trim_end_matches('/').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn saved() -> Value {
        json!({
            "Id": ID, "Name": "/p-api-1", "Image": "sha256:aa",
            "Config": {
                "Hostname": "0123456789ab", "Domainname": "", "Image": "ala-api:production",
                "Env": ["A=1"], "Cmd": ["serve"], "Entrypoint": null, "MacAddress": "02:42:00:00:00:01",
                "Labels": {"com.docker.compose.project": "p", "com.docker.compose.replace": "old", "x": "y"},
                "SomethingNew": {"kept": true}
            },
            "HostConfig": {
                "NetworkMode": "p_default", "KernelMemory": 0,
                "Binds": ["p_named:/named:rw", "/srv:/srv:ro"],
                "Mounts": [{"Type": "volume", "Target": "/unnamed/"}, {"Type": "tmpfs", "Target": "/tmp"}]
            },
            "Mounts": [
                {"Type": "volume", "Name": "p_named", "Destination": "/named", "RW": true},
                {"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": false},
                {"Type": "volume", "Name": "anon1", "Destination": "/unnamed", "RW": true},
                {"Type": "volume", "Name": "anon2", "Destination": "/of-image", "RW": true}
            ],
            "NetworkSettings": {"Networks": {
                "p_default": {"Aliases": ["api", "0123456789ab"], "IPAMConfig": {"IPv4Address": "172.30.0.9"},
                    "Links": null, "MacAddress": "02:42:00:00:00:01", "IPAddress": "172.30.0.9", "NetworkID": "n1"},
                "p_back": {"Aliases": null, "IPAMConfig": null, "IPAddress": "172.31.0.2", "NetworkID": "n2"}
            }}
        })
    }

    fn by_reference() -> ImageToUse {
        ImageToUse { name: "ala-api:production".into(), is_by_id: false, has_entrypoint: false }
    }

    fn body(raw: &Value, image: &ImageToUse, api: ApiVersion) -> Value {
        create_body(Saved::new(raw).unwrap(), image, api)
    }

    #[test]
    fn what_was_configured_stays_and_what_was_chosen_goes() {
        let raw = saved();
        let body = body(&raw, &by_reference(), ApiVersion(1, 51));
        assert_eq!(body["SomethingNew"], json!({"kept": true}));
        assert_eq!(body["HostConfig"]["KernelMemory"], json!(0));
        assert_eq!(body.get("Hostname"), None);
        let expected = json!({"com.docker.compose.project": "p", "x": "y", "ala-promote.restored-from": ID});
        assert_eq!(body["Labels"], expected);
        assert_eq!(body["Entrypoint"], Value::Null);
        let endpoints = &body["NetworkingConfig"]["EndpointsConfig"];
        let default = json!({"Aliases": ["api"], "IPAMConfig": {"IPv4Address": "172.30.0.9"},
            "MacAddress": "02:42:00:00:00:01"});
        assert_eq!(endpoints, &json!({"p_default": default, "p_back": {}}));
    }

    #[test]
    fn an_older_engine_gets_the_network_of_the_mode_and_the_mac_beside_it() {
        let mut raw = saved();
        for mode in ["p_default", "n1"] {
            raw["HostConfig"]["NetworkMode"] = json!(mode);
            let body = body(&raw, &by_reference(), ApiVersion(1, 41));
            let names: Vec<_> =
                body["NetworkingConfig"]["EndpointsConfig"].as_object().unwrap().keys().collect();
            assert_eq!(names, ["p_default"], "{mode}");
            assert_eq!(body["MacAddress"], json!("02:42:00:00:00:01"));
        }
    }

    #[test]
    fn volumes_without_a_name_are_mounted_by_the_name_that_they_got() {
        let raw = saved();
        let body = body(&raw, &by_reference(), ApiVersion(1, 41));
        assert_eq!(body["HostConfig"]["Binds"], raw["HostConfig"]["Binds"]);
        let mounts = body["HostConfig"]["Mounts"].as_array().unwrap();
        let pairs: Vec<_> =
            mounts.iter().map(|m| (m["Target"].as_str().unwrap(), m["Source"].as_str())).collect();
        assert_eq!(pairs, [("/unnamed/", Some("anon1")), ("/tmp", None), ("/of-image", Some("anon2"))]);
        assert_eq!(mounts[2]["VolumeOptions"]["NoCopy"], json!(true));
    }

    #[test]
    fn an_image_by_id_keeps_its_reference_in_a_label_until_it_is_its_name_again() {
        let mut raw = saved();
        let by_id = ImageToUse { name: "sha256:aa".into(), is_by_id: true, has_entrypoint: true };
        let made = body(&raw, &by_id, ApiVersion(1, 41));
        assert_eq!(made["Image"], json!("sha256:aa"));
        assert_eq!(made["Labels"][labels::IMAGE_REFERENCE], json!("ala-api:production"));
        // The container has no entrypoint, so it must not get the image's.
        assert_eq!(made["Entrypoint"], json!([""]));
        raw["Config"] = made;
        let again = body(&raw, &by_reference(), ApiVersion(1, 41));
        assert_eq!(again["Labels"].get(labels::IMAGE_REFERENCE), None);
    }

    #[test]
    fn the_host_s_network_and_name_are_not_asked_for() {
        let mut raw = saved();
        raw["HostConfig"]["NetworkMode"] = json!("host");
        raw["Config"]["Hostname"] = json!("box");
        let body = body(&raw, &by_reference(), ApiVersion(1, 51));
        assert_eq!(body["NetworkingConfig"]["EndpointsConfig"], json!({}));
        assert_eq!(body.get("Hostname"), None);
    }
}
