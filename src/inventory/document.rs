//! An inventory as a document to be written: keys in order, with comments, as YAML for people or as JSON for programs.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::scalar::scalar;

/// How long a line may get that holds a whole list or mapping.
const WIDTH: usize = 110;

/// A value of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number, a truth value or nothing.
    Plain(serde_json::Value),
    /// A list.
    List(Vec<Value>),
    /// A mapping in the order in which it is read.
    Map(Vec<Entry>),
}

/// A key with its value, and what is said about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key; none for a comment alone.
    key: Option<String>,
    value: Value,
    /// Lines of a comment above it.
    above: Vec<String>,
    /// A comment behind it.
    beside: Option<String>,
}

impl Value {
    /// Text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub(super) fn texts(items: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(items.into_iter().map(Self::text).collect())
    }

    /// The same as YAML, which ends with a newline.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                entries.iter().for_each(|entry| entry.write(0, &mut text))
            }
            other => text = other.flow() + "\n",
        }
        text
    }

    /// In one line.
    fn flow(&self) -> String {
        match self {
            Self::Text(text) => scalar(text),
            Self::Plain(value) => value.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                let pairs = entries.iter().filter_map(|entry| {
                    Some(format!("{}: {}", scalar(entry.key.as_deref()?), entry.value.flow()))
                });
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn has_comments(&self) -> bool {
        match self {
            Self::Text(_) | Self::Plain(_) => false,
            Self::List(items) => items.iter().any(Self::has_comments),
            Self::Map(entries) => entries.iter().any(|entry| {
                entry.key.is_none()
                    || !entry.above.is_empty()
                    || entry.beside.is_some()
                    || entry.value.has_comments()
            }),
        }
    }

    /// Whether it stands on the line of its key, which has `used` characters already. What stands at the top has its
    /// keys on lines of their own.
    fn fits(&self, used: usize, indent: usize) -> bool {
        let is_section = indent == 0 && matches!(self, Self::Map(entries) if !entries.is_empty());
        !is_section && !self.has_comments() && used + self.flow().chars().count() <= WIDTH
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            serde_json::Value::Object(map) => {
                Self::Map(map.into_iter().map(|(key, value)| Entry::new(key, value.into())).collect())
            }
            plain => Self::Plain(plain),
        }
    }
}

impl Entry {
    /// A key and its value.
    pub(super) fn new(key: impl Into<String>, value: Value) -> Self {
        Self { key: Some(key.into()), value, above: Vec::new(), beside: None }
    }

    /// A comment alone.
    pub(super) fn comment(text: impl Into<String>) -> Self {
        Self { key: None, value: Value::Map(Vec::new()), above: vec![text.into()], beside: None }
    }

    /// The same with a comment above it, which may have several lines.
    pub(super) fn above(mut self, text: &str) -> Self {
        self.above.extend(text.lines().map(str::to_owned));
        self
    }

    /// The same with a comment behind it.
    pub(super) fn beside(mut self, text: Option<&str>) -> Self {
        self.beside = text.map(str::to_owned);
        self
    }

    fn write(&self, indent: usize, text: &mut String) {
        let margin = " ".repeat(indent);
        // A blank line before each section but the first.
        if indent == 0 && !text.is_empty() {
            text.push('\n');
        }
        for line in &self.above {
            text.push_str(format!("{margin}# {line}").trim_end());
            text.push('\n');
        }
        let Some(key) = &self.key else { return };
        let head = format!("{margin}{}:", scalar(key));
        let beside = self.beside.as_ref().map(|comment| format!("  # {comment}")).unwrap_or_default();
        text.push_str(&head);
        match &self.value {
            value if value.fits(head.chars().count() + 1, indent) => {
                text.push_str(&format!(" {}{beside}\n", value.flow()));
            }
            Value::Map(entries) if !entries.is_empty() => {
                // Comments alone would leave the key without a value.
                let nothing = if entries.iter().all(|entry| entry.key.is_none()) { " {}" } else { "" };
                text.push_str(&format!("{nothing}{beside}\n"));
                entries.iter().for_each(|entry| entry.write(indent + 2, text));
            }
            Value::List(items) if !items.is_empty() => {
                text.push_str(&format!("{beside}\n"));
                items.iter().for_each(|item| text.push_str(&format!("{margin}  - {}\n", item.flow())));
            }
            value => text.push_str(&format!(" {}{beside}\n", value.flow())),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Plain(value) => value.serialize(serializer),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(None)?;
                for entry in entries {
                    if let Some(key) = &entry.key {
                        map.serialize_entry(key, &entry.value)?;
                    }
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sections_stand_apart_and_short_things_on_one_line() {
        let document = Value::Map(vec![
            Entry::new("name", Value::text("home")).above("One\n\ntwo."),
            Entry::new(
                "nodes",
                Value::Map(vec![
                    Entry::new("n1", Value::Map(vec![Entry::new("port", Value::Plain(22.into()))])),
                    Entry::new(
                        "no",
                        Value::Map(vec![
                            Entry::new("user", Value::text("1")).beside(Some("default")),
                            Entry::comment("key: none"),
                            Entry::new("keys", Value::texts(["a".repeat(60), "b".repeat(60)])),
                        ]),
                    ),
                ]),
            ),
            Entry::new("shares", Value::Map(Vec::new())),
        ]);
        let wanted = format!(
            "# One\n#\n# two.\nname: home\n\nnodes:\n  n1: {{port: 22}}\n  \"no\":\n    user: \"1\"  # default\n    # key: none\n    keys:\n      - {}\n      - {}\n\nshares: {{}}\n",
            "a".repeat(60),
            "b".repeat(60)
        );
        assert_eq!(document.yaml(), wanted);
        let json = serde_json::to_string(&document).expect("JSON");
        assert!(json.starts_with(r#"{"name":"home","nodes":{"n1":{"port":22},"no":{"user":"1","#), "{json}");
    }

    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            "\\PC{0,8}".prop_map(serde_json::Value::from),
            any::<i32>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                proptest::collection::btree_map("[a-z\\PC]{1,40}", inner, 0..5)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            let yaml = Value::from(serde_json::json!({"top": {"inner": value}})).yaml();
            let read: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
            prop_assert_eq!(&read["top"]["inner"], &value, "{}", yaml);
        }
    }
}
