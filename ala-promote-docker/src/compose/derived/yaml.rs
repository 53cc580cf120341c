//! Changes to what v1 renders.
//!
//! It is cut line by line and only what changes is read: v1 writes YAML 1.1, where a plain `1e5` or `0o7` is a text. In
//! its fixed layout a service is indented by two, its keys by four, and entries of a list begin with a dash below their
//! key.

use ala_promote_core::domain::StackChange;
use serde_json::{Map, Value};

use super::super::model::Port;
use super::super::render::mapping;
use super::with_aliases;

/// The render with these changes; `None` where it can't be read or has not got what they are about.
pub(super) fn changed(text: &str, changes: &[StackChange]) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut made, mut rest) = (Vec::new(), 0, lines.as_slice());
    let mut section = "";
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        out.push((*line).to_owned());
        if indent(line) == 0 {
            section = line;
        }
        if section == "services:" && indent(line) == 2 {
            let name = line.trim().trim_end_matches(':').trim_matches(['\'', '"']);
            let own: Vec<_> = changes.iter().filter(|change| change.service().as_str() == name).collect();
            let end = rest.iter().position(|line| indent(line) <= 2).unwrap_or(rest.len());
            let (block, after) = rest.split_at(end);
            rest = after;
            out.extend(service(block, &own)?);
            made += own.len();
        }
    }
    (made == changes.len()).then(|| out.join("\n") + "\n")
}

/// A blank line is a part of the value that it stands in.
fn indent(line: &str) -> usize {
    let words = line.trim_start();
    if words.is_empty() { usize::MAX } else { line.len() - words.len() }
}

/// The lines below a service's name, with its changes.
fn service(block: &[&str], changes: &[&StackChange]) -> Option<Vec<String>> {
    let mut lines: Vec<String> = block.iter().map(|line| (*line).to_owned()).collect();
    for change in changes {
        match change {
            StackChange::PortDropped { .. } | StackChange::PortMoved { .. } => port(&mut lines, change)?,
            StackChange::ContainerRenamed { name, to, shared, .. } => rename(&mut lines, name, to, shared)?,
            StackChange::ImageRenamed { image, to, .. } => {
                let line =
                    scalar(&mut lines, "image", |written| written.parse().ok().as_ref() == Some(image))?;
                *line = format!("    image: {}", Value::from(to.to_string()));
            }
            _ => return None,
        }
    }
    Some(lines)
}

/// Where the lines below a key begin and end.
fn below(lines: &[String], key: &str, is_below: impl Fn(&str) -> bool) -> Option<std::ops::Range<usize>> {
    let start = lines.iter().position(|line| line == key)? + 1;
    let len = lines.get(start..)?.iter().take_while(|line| is_below(line)).count();
    Some(start..start + len)
}

/// Takes one entry of `ports:` out, or gives it another number.
fn port(lines: &mut Vec<String>, change: &StackChange) -> Option<()> {
    let (StackChange::PortDropped { port, .. } | StackChange::PortMoved { port, .. }) = change else {
        return None;
    };
    let ports = below(lines, "    ports:", |line| line.starts_with("    - ") || line.starts_with("      "))?;
    let is_entry = |index: &usize| lines.get(*index).is_some_and(|line| line.starts_with("    - "));
    let starts: Vec<usize> = ports.clone().filter(is_entry).collect();
    for (nth, start) in starts.iter().enumerate() {
        let entry = *start..starts.get(nth + 1).copied().unwrap_or(ports.end);
        let text = lines.get(entry.clone())?;
        let parsed: Vec<Port> = serde_saphyr::from_str(&text.join("\n")).ok()?;
        if mapping(parsed.first()?)? != *port {
            continue;
        }
        match change {
            StackChange::PortMoved { to, .. } => {
                let moved: Vec<String> = text
                    .iter()
                    .map(|line| moved(line, port.published?, port.target, *to))
                    .collect::<Option<_>>()?;
                lines.splice(entry, moved);
            }
            _ => {
                lines.drain(entry);
                if starts.len() == 1 {
                    lines.remove(ports.start - 1);
                }
            }
        }
        return Some(());
    }
    None
}

/// A line of an entry, `published: 8080` or `127.0.0.1:8080:80/tcp`, with another number.
fn moved(line: &str, from: u16, target: u16, to: u16) -> Option<String> {
    let words = line.trim_start_matches([' ', '-']);
    if words.strip_prefix("published:").is_some() {
        return Some(line.replacen(&from.to_string(), &to.to_string(), 1));
    }
    let short = format!("{from}:{target}");
    match line.rfind(&short) {
        Some(at) => Some(format!("{}{to}:{target}{}", line.get(..at)?, line.get(at + short.len()..)?)),
        None => Some(line.to_owned()),
    }
}

/// The line of a key whose value is as it is known.
fn scalar<'a>(lines: &'a mut [String], key: &str, is_known: impl Fn(&str) -> bool) -> Option<&'a mut String> {
    let value = |line: &str| {
        let written = line.strip_prefix("    ")?.strip_prefix(key)?.strip_prefix(": ")?;
        Some(is_known(written.trim_matches(['\'', '"'])))
    };
    let line = lines.iter_mut().find(|line| value(line).is_some())?;
    value(line)?.then_some(line)
}

/// Gives the container another name, and its networks the one that it had.
fn rename(lines: &mut Vec<String>, name: &str, to: &str, shared: &[String]) -> Option<()> {
    let known = scalar(lines, "container_name", |written| written == name)?;
    *known = format!("    container_name: {}", Value::from(to));
    if lines.iter().any(|line| line.starts_with("    network_mode: ")) {
        return Some(());
    }
    let networks = below(lines, "    networks:", |line| line.starts_with("      "));
    let joined: Map<String, Value> = match &networks {
        Some(networks) => serde_saphyr::from_str(&lines.get(networks.clone())?.join("\n")).ok()?,
        None => Map::new(),
    };
    // JSON is YAML.
    let line = format!("    networks: {}", Value::Object(with_aliases(joined, name, shared)?));
    match networks {
        Some(networks) => drop(lines.splice(networks.start - 1..networks.end, [line])),
        None => lines.push(line),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{all_dropped, called, dropped, moved, renamed, renamed_beside};
    use super::*;

    const RENDERED: &str = include_str!("../../../tests/compose/rendered-1.29.2.yml");

    fn same(a: &str, b: &str) {
        assert_eq!(a.trim_end(), b.trim_end());
    }

    #[test]
    fn only_the_ports_are_taken_out() {
        let two = [dropped(None, Some(8080), 80, "tcp"), dropped(Some("127.0.0.1"), Some(9001), 91, "tcp")];
        let expected = RENDERED
            .replace("    - published: 8080\n      target: 80\n", "")
            .replace("    - 127.0.0.1:9001:91/tcp\n", "");
        same(&changed(RENDERED, &two).unwrap(), &expected);
        // What it wrote without quotes is as it was.
        assert!(expected.contains("VERSION: 1e5\n"));
        let none = changed(RENDERED, &all_dropped()).unwrap();
        assert!(!none.contains("ports:") && !none.contains("published"), "{none}");
        assert_eq!(changed(RENDERED, &[dropped(None, Some(1), 80, "tcp")]), None);
    }

    #[test]
    fn only_the_number_of_a_moved_port_changes() {
        let changes = [moved(None, 8080, 80, 18080), moved(Some("127.0.0.1"), 9001, 91, 19001)];
        let expected = RENDERED
            .replace("    - published: 8080\n", "    - published: 18080\n")
            .replace("127.0.0.1:9001:91/tcp", "127.0.0.1:19001:91/tcp");
        same(&changed(RENDERED, &changes).unwrap(), &expected);
        assert_eq!(changed(RENDERED, &[moved(None, 1, 80, 10001)]), None);
    }

    #[test]
    fn an_image_is_called_otherwise() {
        let text = "services:\n  a:\n    image: acme/app\n  b:\n    image: acme/app:1\n  c:\n    build: .\n";
        let after = changed(text, &[called("a", "acme/app:latest", "acme/app:latest-2")]).unwrap();
        same(&after, &text.replace("image: acme/app\n", "image: \"acme/app:latest-2\"\n"));
        assert_eq!(changed(text, &[called("b", "acme/app:2", "acme/app:3")]), None);
        assert_eq!(changed(text, &[called("c", "c:latest", "c:2")]), None);
    }

    #[test]
    fn a_renamed_container_keeps_its_name_within_its_networks() {
        let text = "services:\n  a:\n    container_name: x\n    image: i\n    networks:\n      back: null\n      front:\n        \
                    aliases:\n        - w\n    restart: 'no'\n  b:\n    container_name: y\n  c:\n    container_name: z\n    \
                    network_mode: host\nversion: '3'\n";
        let expected = "services:\n  a:\n    container_name: \"x2\"\n    image: i\n    networks: \
                        {\"back\":{\"aliases\":[\"x\"]},\"front\":{\"aliases\":[\"w\",\"x\"]}}\n    restart: 'no'\n  b:\n    \
                        container_name: \"y2\"\n    networks: {\"default\":{\"aliases\":[\"y\"]}}\n  c:\n    \
                        container_name: \"z2\"\n    network_mode: host\nversion: '3'\n";
        let changes = [renamed("a", "x", "x2"), renamed("b", "y", "y2"), renamed("c", "z", "z2")];
        same(&changed(text, &changes).unwrap(), expected);
        assert_eq!(changed(text, &[renamed("a", "y", "z")]), None);
        let blank = text.replace("    image: i\n", "    command: 'one\n\n      two'\n    image: i\n");
        let expected = expected.replace("    image: i\n", "    command: 'one\n\n      two'\n    image: i\n");
        same(&changed(&blank, &changes).unwrap(), &expected);
        let apart = changed(text, &[renamed_beside("a", "x", "x2", "back")]).unwrap();
        assert!(apart.contains("{\"back\":null,\"front\":{\"aliases\":[\"w\",\"x\"]}}"), "{apart}");
    }
}
