//! Values that a schema allows.

use super::chance::Chance;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, path::Path};

/// What is known of the world that values are made for.
pub(super) struct Known<'a> {
    /// Where files may be.
    pub(super) place: &'a Path,
    /// Ids of threads, and of turns, logins and commands.
    pub(super) ids: &'a [String],
}

/// Makes values of a type.
pub(super) struct Maker<'a> {
    /// A schema that is complete in itself.
    pub(super) document: &'a Value,
    pub(super) known: &'a Known<'a>,
    pub(super) chance: &'a mut Chance,
}

impl Maker<'_> {
    /// A value of the document's type.
    pub(super) fn value(&mut self) -> Value {
        self.of(self.document, "")
    }

    /// A value of a part of the document that is a member of this name.
    fn of(&mut self, schema: &Value, name: &str) -> Value {
        if let Some(target) = schema["$ref"].as_str() {
            let document = self.document;
            let target = document.pointer(target.trim_start_matches('#')).unwrap();
            return self.of(target, name);
        }
        if !schema["const"].is_null() {
            return schema["const"].clone();
        }
        if let Some(words) = schema["enum"].as_array() {
            return self.chance.one_of(words).clone();
        }
        if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            let choice = self.chance.one_of(choices);
            return self.of(choice, name);
        }
        if schema["properties"].is_null()
            && let Some(all) = schema["allOf"].as_array()
        {
            return self.of(&all[0], name);
        }
        match &schema["type"] {
            Value::Array(types) => {
                let kind = self.chance.one_of(types).as_str().unwrap_or_default().to_owned();
                self.plain(&kind, schema, name)
            }
            Value::String(kind) => self.plain(kind, schema, name),
            _ => self.anything(3),
        }
    }

    fn plain(&mut self, kind: &str, schema: &Value, name: &str) -> Value {
        match kind {
            "null" => Value::Null,
            "boolean" => json!(self.chance.coin()),
            "string" => json!(self.text(name)),
            "integer" => self.whole_number(schema),
            "number" => json!(f64::from(self.chance.below(1000)) / 8.0),
            "array" if name == "command" => self.command(),
            "array" => {
                let length = self.chance.below(4);
                (0..length).map(|_| self.of(&schema["items"], name)).collect()
            }
            _ => self.object(schema),
        }
    }

    fn object(&mut self, schema: &Value) -> Value {
        let mut object = Map::new();
        let is_there = |list: &Value, name: &str| list.as_array().is_some_and(|names| names.iter().any(|n| n == name));
        if let Some(members) = schema["properties"].as_object() {
            let absent = self.names_not_taken(&schema["allOf"]);
            for (name, member) in members {
                let is_one_of_several = !absent.left.contains(name) && absent.taken.contains(name);
                if absent.left.contains(name) {
                    continue;
                }
                if is_there(&schema["required"], name) || is_one_of_several || self.chance.below(3) == 0 {
                    object.insert(name.clone(), self.of(member, name));
                }
            }
        }
        if schema["additionalProperties"].is_object() || schema["additionalProperties"] == true {
            for _ in 0..self.chance.below(3) {
                let name = self.text("key");
                object.insert(name, self.of(&schema["additionalProperties"], "value"));
            }
        }
        Value::Object(object)
    }

    /// Of several names of one member, which are left out, and which one is needed.
    fn names_not_taken(&mut self, rules: &Value) -> Names {
        let mut names = Names::default();
        for rule in rules.as_array().into_iter().flatten() {
            if let Some(choices) = rule["oneOf"].as_array() {
                let taken = self.chance.below(u32::try_from(choices.len()).unwrap()) as usize;
                for (number, choice) in choices.iter().enumerate() {
                    let name = choice["required"][0].as_str().unwrap().to_owned();
                    if number == taken {
                        names.taken.insert(name)
                    } else {
                        names.left.insert(name)
                    };
                }
            } else if let Some(pair) = rule["not"]["required"].as_array() {
                names.left.extend(self.chance.one_of(pair).as_str().map(str::to_owned));
            }
        }
        names
    }

    fn whole_number(&mut self, schema: &Value) -> Value {
        let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let most = &schema["maximum"];
        let small = i64::from(self.chance.below(100));
        match self.chance.below(6) {
            0 => json!(least),
            1 if most.is_number() => most.clone(),
            2 if least < 0 => json!(-small),
            _ => json!(small),
        }
    }

    /// A command that does no harm, or none.
    fn command(&mut self) -> Value {
        let commands =
            [json!(["true"]), json!(["echo", "a", "b"]), json!(["/no/such/program"]), json!([]), json!([""])];
        self.chance.one_of(&commands).clone()
    }

    fn text(&mut self, name: &str) -> String {
        let place = self.known.place;
        let inside = |name: &str| place.join(name).display().to_string();
        if name == "deltaBase64" {
            return self.chance.one_of(&["", "eA==", "AP8=", "bGluZQo="]).to_string();
        }
        if self.chance.below(4) == 0 {
            return self.any_text();
        }
        match name {
            "threadId" | "thread_id" | "turnId" | "turn_id" | "expectedTurnId" | "expected_turn_id" | "loginId"
            | "processId" | "lastResponseId"
                if !self.known.ids.is_empty() =>
            {
                self.chance.one_of(self.known.ids).clone()
            }
            "cwd" | "cwds" | "path" | "writableRoots" | "writable_roots" | "roots" => {
                let paths = [inside(""), inside("deep"), inside("no/such"), "relative".to_owned(), "/".to_owned()];
                self.chance.one_of(&paths).clone()
            }
            "cursor" => self.chance.one_of(&["0", "1", "-1", "99999999999999999999", "x"]).to_string(),
            "model" | "modelProvider" | "modelProviders" => self.chance.one_of(&["scripted", "other"]).to_string(),
            "key" => self.chance.one_of(&["model", "features.x", "model_providers.x.base_url", "a.b.c"]).to_string(),
            "url" | "imageUrl" | "image_url" => self.chance.one_of(&["data:,x", "http://127.0.0.1:1/x"]).to_string(),
            _ => self.any_text(),
        }
    }

    fn any_text(&mut self) -> String {
        const TEXTS: [&str; 10] =
            ["", "x", " ", "äöü 漢字 🦀", "\u{0}", "\u{1b}[2J\r\n", "../../..", "null", "\"}{", "\u{202e}\u{feff}"];
        match self.chance.below(40) {
            0 => "long ".repeat(8_000),
            n => TEXTS[n as usize % TEXTS.len()].to_owned(),
        }
    }

    /// Any JSON.
    pub(super) fn anything(&mut self, depth: u32) -> Value {
        match self.chance.below(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.chance.coin()),
            2 => json!(self.any_text()),
            3 => json!(i64::from(self.chance.below(1000)) - 500),
            4 => self.chance.one_of(&[json!(1.5), json!(1e300), json!(u64::MAX), json!(i64::MIN)]).clone(),
            5 => (0..self.chance.below(3)).map(|_| self.anything(depth - 1)).collect(),
            6 => {
                let members = (0..self.chance.below(3)).map(|_| (self.any_text(), self.anything(depth - 1)));
                Value::Object(members.collect())
            }
            // As deep as a parser goes that does not want to run out of stack.
            _ => (0..90).fold(json!({}), |inner, _| json!([inner])),
        }
    }
}

#[derive(Default)]
struct Names {
    taken: BTreeSet<String>,
    left: BTreeSet<String>,
}
