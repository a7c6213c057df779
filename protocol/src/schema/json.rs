//! JSON Schema, draft 7.

use super::{ALIASES, AppServerSchema, DEFINITIONS, Folder, Type, reference, references, stands_for, walk};
use schemars::transform::{RemoveRefSiblings, Transform};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
/// The file with every definition, those of a version in an object of their own.
const BUNDLE: &str = "llmx_app_server_protocol.schemas.json";
/// The file with every definition side by side, as generators of code like it.
const FLAT_BUNDLE: &str = "llmx_app_server_protocol.v2.schemas.json";

/// A type's schema with the definitions that it needs.
pub(super) fn alone(schema: &AppServerSchema, name: &str) -> Option<Value> {
    schema.types.get(name)?;
    let mut document = finished(name, schema.resolved(name));
    let mut needed = BTreeSet::new();
    let mut open: Vec<String> = references(&document).into_iter().collect();
    while let Some(name) = open.pop() {
        if needed.insert(name.clone()) {
            open.extend(references(&schema.types[&name].schema));
        }
    }
    document["$schema"] = json!(DRAFT);
    document["title"] = json!(name);
    if !needed.is_empty() {
        let definitions: Map<_, _> =
            needed.into_iter().map(|name| (name.clone(), finished(&name, &schema.types[&name]))).collect();
        document["definitions"] = Value::Object(definitions);
    }
    Some(document)
}

/// Every file by its path.
pub(super) fn files(schema: &AppServerSchema) -> BTreeMap<String, String> {
    let messages = schema.types.iter().filter(|(_, described)| described.is_message);
    let mut files: BTreeMap<_, _> =
        messages.filter_map(|(name, described)| Some((path(name, described.folder), alone(schema, name)?))).collect();
    files.insert(BUNDLE.to_owned(), bundle(schema));
    files.insert(FLAT_BUNDLE.to_owned(), flat_bundle(schema));
    files.into_iter().map(|(path, document)| (path, format!("{document:#}\n"))).collect()
}

fn path(name: &str, folder: Folder) -> String {
    match folder {
        Folder::Root => format!("{name}.json"),
        Folder::Handshake => format!("v1/{name}.json"),
        Folder::V2 => format!("v2/{name}.json"),
    }
}

fn flat_bundle(schema: &AppServerSchema) -> Value {
    let definitions: Map<_, _> =
        schema.types.iter().map(|(name, described)| (name.clone(), finished(name, described))).collect();
    json!({"$schema": DRAFT, "title": "LlmxAppServerProtocolV2", "type": "object", "definitions": definitions})
}

fn bundle(schema: &AppServerSchema) -> Value {
    let (mut root, mut v2) = (Map::new(), Map::new());
    for (name, described) in &schema.types {
        let mut definition = finished(name, described);
        walk(&mut definition, &mut |part| {
            if let Some(target) = reference(part).filter(|target| schema.types[*target].folder == Folder::V2) {
                part["$ref"] = json!(format!("{DEFINITIONS}v2/{target}"));
            }
        });
        let folder = if described.folder == Folder::V2 { &mut v2 } else { &mut root };
        folder.insert(name.clone(), definition);
    }
    root.insert("v2".to_owned(), Value::Object(v2));
    json!({"$schema": DRAFT, "title": "LlmxAppServerProtocol", "type": "object", "definitions": root})
}

/// A type's schema in the words of draft 7.
fn finished(name: &str, described: &Type) -> Value {
    let mut schema = described.schema.clone();
    name_choices(name, &mut schema);
    walk(&mut schema, &mut |part| {
        spell_out(part);
        bound(part);
    });
    // Beside a reference, draft 7 overlooks everything.
    if stands_for(&schema).is_none()
        && let Ok(whole) = <&mut schemars::Schema>::try_from(&mut schema)
    {
        RemoveRefSiblings::default().transform(whole);
    }
    schema
}

/// Generators of code name the types of a choice after their titles.
fn name_choices(name: &str, schema: &mut Value) {
    let choices = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten().filter(|choice| choice["title"].is_null()) {
        let Some(Value::Object(members)) = choice.get_mut("properties") else { continue };
        let Some((tag, constant)) =
            members.iter().find_map(|(tag, member)| Some((tag.clone(), member["const"].as_str()?.to_owned())))
        else {
            continue;
        };
        let title = format!("{}{name}", capitalized(&constant));
        members[&tag]["title"] = json!(format!("{title}{}", capitalized(&tag)));
        choice["title"] = json!(title);
    }
}

fn capitalized(name: &str) -> String {
    let words = name.split(['-', '_', '/']);
    words
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}

/// Says what [`ALIASES`] say in the words of the language.
fn spell_out(schema: &mut Value) {
    let Some(parts) = schema.as_object_mut() else { return };
    if parts.contains_key("const")
        && let Some(Value::Array(words)) = parts.remove(ALIASES)
    {
        let all = parts.remove("const").into_iter().chain(words).collect();
        parts.insert("enum".to_owned(), Value::Array(all));
    }
    let Some(Value::Object(members)) = parts.get_mut("properties") else { return };
    let spellings: Vec<Vec<String>> =
        members.iter_mut().filter_map(|(name, member)| Some(names_of(name, take_aliases(member)?))).collect();
    for names in &spellings {
        let member = members[&names[0]].clone();
        members.extend(names[1..].iter().map(|other| (other.clone(), member.clone())));
    }
    let mut required: Vec<Value> = parts.remove("required").and_then(|it| it.as_array().cloned()).unwrap_or_default();
    let mut rules = Vec::new();
    for names in &spellings {
        // Of several names of one member one may be there.
        let before = required.len();
        required.retain(|name| *name != names[0]);
        if required.len() < before {
            let each: Vec<Value> = names.iter().map(|name| json!({"required": [name]})).collect();
            rules.push(json!({"oneOf": each}));
        } else {
            let pairs = (1..names.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
            rules.extend(pairs.map(|(one, other)| json!({"not": {"required": [names[one], names[other]]}})));
        }
    }
    if !required.is_empty() {
        parts.insert("required".to_owned(), Value::Array(required));
    }
    if !rules.is_empty() {
        parts.insert("allOf".to_owned(), Value::Array(rules));
    }
}

fn take_aliases(member: &mut Value) -> Option<Vec<Value>> {
    match member.as_object_mut()?.remove(ALIASES)? {
        Value::Array(aliases) => Some(aliases),
        _ => None,
    }
}

fn names_of(name: &str, aliases: Vec<Value>) -> Vec<String> {
    let others = aliases.into_iter().filter_map(|alias| alias.as_str().map(str::to_owned));
    std::iter::once(name.to_owned()).chain(others).collect()
}

/// schemars says how wide a number is in a word that validators do not look at.
fn bound(schema: &mut Value) {
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        Some("uint64" | "uint") => (json!(0), json!(u64::MAX)),
        _ => return,
    };
    if let Some(parts) = schema.as_object_mut() {
        parts.insert("minimum".to_owned(), least);
        parts.insert("maximum".to_owned(), most);
    }
}
