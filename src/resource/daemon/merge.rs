//! Merging options into a JSON text whose own keys keep their order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

/// The text with `options` merged in: objects key by key, everything else replaced. A text that says it all already
/// comes back byte for byte; a text that is no JSON object is an error with its line and column.
pub(super) fn merge(text: Option<&str>, options: &Map<String, Value>) -> Result<Option<String>, serde_json::Error> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Ok(if options.is_empty() { text.map(str::to_owned) } else { Some(render(&with(Vec::new(), options), "  ")) });
    };
    let Object(before) = serde_json::from_str(text)?;
    let after = with(before.clone(), options);
    Ok(Some(if after == before { text.to_owned() } else { render(&after, indent(text)) }))
}

/// What the text says; nothing where it is empty.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, serde_json::Error> {
    if text.trim().is_empty() { Ok(Map::new()) } else { serde_json::from_str(text) }
}

/// A JSON object whose keys keep their order; a key given twice counts as the last, as it does for dockerd.
#[derive(Debug, Clone, PartialEq)]
struct Object(Vec<(String, Node)>);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Object(Object),
    Value(Value),
}

fn with(mut before: Vec<(String, Node)>, options: &Map<String, Value>) -> Vec<(String, Node)> {
    for (key, value) in options {
        let place = before.iter().position(|(name, _)| name == key);
        let node = match (place.map(|place| &before[place].1), value) {
            (Some(Node::Object(Object(inner))), Value::Object(options)) => Node::Object(Object(with(inner.clone(), options))),
            (Some(there), value) if there.value() == *value => continue,
            (_, value) => Node::from(value),
        };
        match place {
            Some(place) => before[place].1 = node,
            None => before.push((key.clone(), node)),
        }
    }
    before
}

impl Node {
    fn value(&self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Object(Object(entries)) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
        }
    }
}

impl From<&Value> for Node {
    fn from(value: &Value) -> Self {
        match value {
            Value::Object(map) => {
                Self::Object(Object(map.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect()))
            }
            other => Self::Value(other.clone()),
        }
    }
}

/// The blanks before the first key, so that a small change is a small difference.
fn indent(text: &str) -> &str {
    let line = text.lines().find(|line| line.trim_start().starts_with('"'));
    line.map(|line| &line[..line.len() - line.trim_start().len()]).filter(|blanks| !blanks.is_empty()).unwrap_or("  ")
}

fn render(entries: &[(String, Node)], indent: &str) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    Object(entries.to_vec()).serialize(&mut serializer).expect("keys are strings, and memory can be written to");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("JSON is written as UTF-8")
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, node) in &self.0 {
            match node {
                Node::Object(object) => map.serialize_entry(key, object)?,
                Node::Value(value) => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            entries.retain(|(name, _)| *name != key);
            entries.push((key, node));
        }
        Ok(Object(entries))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

/// Objects keep their order; of anything else serde_json's own value is taken.
struct NodeVisitor;

macro_rules! scalars {
    ($($visit:ident: $type:ty),+) => {
        $(fn $visit<E: serde::de::Error>(self, value: $type) -> Result<Node, E> { Ok(Node::Value(Value::from(value))) })+
    };
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        Ok(Node::Value(Value::Null))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Value(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Node, A::Error> {
        ObjectVisitor.visit_map(map).map(Node::Object)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn options(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn merged(text: Option<&str>, value: Value) -> Option<String> {
        merge(text, &options(value)).unwrap()
    }

    #[test]
    fn nothing_asked_nothing_changed() {
        for text in [None, Some(""), Some("{}"), Some("{ \"b\":1,\"a\" : [ 1 ] }")] {
            assert_eq!(merged(text, json!({})).as_deref(), text);
        }
    }

    #[test]
    fn what_is_there_already_stays_byte_for_byte() {
        let text = "{\"log-opts\": {\"max-size\":\"10m\",   \"max-file\": \"3\"}, \"a\": 1}";
        assert_eq!(merged(Some(text), json!({"log-opts": {"max-size": "10m"}})).as_deref(), Some(text));
        assert_eq!(merged(Some(text), json!({"a": 1})).as_deref(), Some(text));
    }

    #[test]
    fn options_are_added_and_replaced_and_the_rest_keeps_order_and_indent() {
        let text = "{\n    \"z\": 1,\n    \"log-opts\": {\n        \"y\": \"1\",\n        \"b\": \"2\"\n    },\n    \"dns\": [\"1.1.1.1\"]\n}\n";
        let after = merged(Some(text), json!({"log-opts": {"b": "3", "a": "4"}, "dns": ["9.9.9.9"], "new": true})).unwrap();
        assert_eq!(
            after,
            "{\n    \"z\": 1,\n    \"log-opts\": {\n        \"y\": \"1\",\n        \"b\": \"3\",\n        \"a\": \"4\"\n    },\n    \"dns\": [\n        \"9.9.9.9\"\n    ],\n    \"new\": true\n}\n"
        );
    }

    #[test]
    fn a_new_file_ends_its_line() {
        assert_eq!(merged(None, json!({"a": 1})).as_deref(), Some("{\n  \"a\": 1\n}\n"));
        assert_eq!(merged(Some("\n"), json!({"a": 1})).as_deref(), Some("{\n  \"a\": 1\n}\n"));
    }

    #[test]
    fn bad_json_is_placed() {
        for (text, line, column) in [("{\n  \"a\": 1,\n}", 3, 1), ("[]", 1, 0), ("{\"a\" 1}", 1, 6)] {
            let error = merge(Some(text), &options(json!({"a": 1}))).unwrap_err();
            assert_eq!((error.line(), error.column()), (line, column), "{text}: {error}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_object() -> impl Strategy<Value = Map<String, Value>> {
        proptest::collection::btree_map("[a-c]", any_json(), 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(before in any_object(), asked in any_object()) {
            let text = serde_json::to_string(&before).unwrap();
            let once = merge(Some(&text), &asked).unwrap().unwrap();
            let twice = merge(Some(&once), &asked).unwrap().unwrap();
            prop_assert_eq!(&once, &twice);
        }

        #[test]
        fn keys_not_asked_about_stay(before in any_object(), asked in any_object()) {
            let text = serde_json::to_string(&before).unwrap();
            let after = parse(&merge(Some(&text), &asked).unwrap().unwrap()).unwrap();
            for (key, value) in &before {
                if !asked.contains_key(key) {
                    prop_assert_eq!(after.get(key), Some(value));
                }
            }
            for (key, value) in &asked {
                if !value.is_object() {
                    prop_assert_eq!(after.get(key), Some(value));
                }
            }
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = merge(Some(&text), &Map::new());
        }
    }
}
