//! One name a type, where what is accepted and what is said have to be told apart.

use super::{ALIASES, refer_to, reference, references, stands_for, walk};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A type of a table.
pub(super) struct Described {
    /// What the table calls it.
    pub(super) name: String,
    /// Most often a reference to a definition.
    pub(super) schema: Value,
    /// Whether it is read, and so belongs to the definitions of what is accepted.
    pub(super) is_accepted: bool,
}

/// Puts all types under one roof.
pub(super) fn give(
    mut accepted: Map<String, Value>,
    mut said: Map<String, Value>,
    messages: Vec<Described>,
) -> BTreeMap<String, Value> {
    said.values_mut().for_each(forget_aliases);
    let unlike = unlike(&accepted, &said);
    accepted.values_mut().for_each(|schema| rename(schema, &unlike));
    let mut types: BTreeMap<String, Value> = said.into_iter().collect();
    for (name, schema) in accepted {
        types.insert(new_name(&name, &unlike), schema);
    }
    for mut message in messages {
        if message.is_accepted {
            rename(&mut message.schema, &unlike);
        }
        if stands_for(&message.schema) == Some(&message.name) {
            continue; // the type has the name that the table gives it
        }
        types.insert(message.name, message.schema);
    }
    types.values_mut().for_each(unlink);
    types
}

/// Takes the links of rustdoc out of descriptions.
fn unlink(schema: &mut Value) {
    walk(schema, &mut |schema| {
        let description = schema.as_object_mut().and_then(|members| members.get_mut("description"));
        if let Some(Value::String(words)) = description {
            *words = words.replace("[`", "`").replace("`]", "`");
        }
    });
}

/// The names of those that are in both and not the same in both, because of themselves or of what they are made of.
fn unlike(accepted: &Map<String, Value>, said: &Map<String, Value>) -> BTreeSet<String> {
    let in_both = || accepted.iter().filter(|(name, _)| said.contains_key(*name));
    let mut unlike: BTreeSet<String> =
        in_both().filter(|(name, schema)| said[*name] != **schema).map(|(name, _)| name.clone()).collect();
    loop {
        let affected = |schema: &Value| references(schema).iter().any(|name| unlike.contains(name));
        let more: Vec<String> = in_both()
            .filter(|(name, schema)| !unlike.contains(*name) && affected(schema))
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            return unlike;
        }
        unlike.extend(more);
    }
}

fn new_name(name: &str, unlike: &BTreeSet<String>) -> String {
    if unlike.contains(name) { format!("Any{name}") } else { name.to_owned() }
}

fn rename(schema: &mut Value, unlike: &BTreeSet<String>) {
    walk(schema, &mut |schema| {
        if let Some(name) = reference(schema).filter(|name| unlike.contains(*name)) {
            schema["$ref"] = refer_to(&new_name(name, unlike))["$ref"].take();
        }
    });
}

/// What llmx says is spelled in one way.
fn forget_aliases(schema: &mut Value) {
    walk(schema, &mut |schema| {
        if let Some(members) = schema.as_object_mut() {
            members.remove(ALIASES);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definitions(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_unlike_in_itself_or_by_its_parts_is_told_apart() {
        let accepted = definitions(&json!({
            "Leaf": {"enum": ["a", "b"]},
            "Branch": {"items": {"$ref": "#/definitions/Leaf"}},
            "Params": {"properties": {"branch": {"$ref": "#/definitions/Branch"}, "same": {"$ref": "#/definitions/Same"}}},
            "Same": {"type": "string"},
        }));
        let said = definitions(&json!({
            "Leaf": {"enum": ["a"]},
            "Branch": {"items": {"$ref": "#/definitions/Leaf"}},
            "Same": {"type": "string"},
        }));
        let messages = vec![
            Described { name: "MoveParams".into(), schema: refer_to("Params"), is_accepted: true },
            Described { name: "Same".into(), schema: refer_to("Same"), is_accepted: false },
            Described { name: "Pruned".into(), schema: refer_to("Leaf"), is_accepted: true },
        ];
        let types = give(accepted, said, messages);
        assert_eq!(
            json!(types),
            json!({
                "AnyBranch": {"items": {"$ref": "#/definitions/AnyLeaf"}},
                "AnyLeaf": {"enum": ["a", "b"]},
                "Branch": {"items": {"$ref": "#/definitions/Leaf"}},
                "Leaf": {"enum": ["a"]},
                "MoveParams": {"$ref": "#/definitions/Params"},
                "Params": {"properties": {
                    "branch": {"$ref": "#/definitions/AnyBranch"}, "same": {"$ref": "#/definitions/Same"}}},
                "Pruned": {"$ref": "#/definitions/AnyLeaf"},
                "Same": {"type": "string"},
            })
        );
    }

    #[test]
    fn other_spellings_are_accepted_and_not_said() {
        let both = || definitions(&json!({"Leaf": {"oneOf": [{"const": "a", "x-aliases": ["b"]}]}}));
        let types = give(both(), both(), Vec::new());
        assert_eq!(types["Leaf"], json!({"oneOf": [{"const": "a"}]}));
        assert_eq!(types["AnyLeaf"], both()["Leaf"]);
    }
}
