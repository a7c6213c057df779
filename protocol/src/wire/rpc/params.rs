//! Reads params, and says where they are wrong.

use super::{CallError, envelope::is_object};
use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};
use serde_path_to_error::Segment;
use std::collections::BTreeMap;

/// Params longer than this, in bytes, or with more members, are not searched for the member that is at fault.
const SEARCHED: usize = 256 * 1024;
const SEARCHED_MEMBERS: usize = 64;
/// A client's own words come back in what it is told: this many characters of them.
const TOLD: usize = 400;

/// Absent params are those without members.
pub(super) fn read<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P, CallError> {
    let params = params.map_or("{}", RawValue::get);
    if !is_object(params) {
        return Err(CallError::Params("expected an object".to_owned()));
    }
    deserialized(params).map_err(|fault| CallError::Params(shortened(explained(params, fault, &fault_of::<P>))))
}

/// What serde says is wrong, and where, if it knows.
struct Fault {
    place: Option<String>,
    why: String,
}

/// The one way in which params are read: a second one would be as much code again for every method.
fn deserialized<P: DeserializeOwned>(params: &str) -> Result<P, Fault> {
    let mut json = serde_json::Deserializer::from_str(params);
    serde_path_to_error::deserialize(&mut json).map_err(|error| Fault::of(&error, params))
}

impl Fault {
    fn of(error: &serde_path_to_error::Error<serde_json::Error>, params: &str) -> Self {
        let why = plain(error.inner());
        // That is all it says where text has another kind of value than a variant's name.
        let found = if why == "expected value" { found_at(error.path(), params) } else { None };
        Self {
            place: error.path().iter().next().map(|_| error.path().to_string()),
            why: found.map_or(why, |found| format!("unexpected `{found}`")),
        }
    }
}

fn found_at(path: &serde_path_to_error::Path, params: &str) -> Option<Value> {
    let tree: Value = serde_json::from_str(params).ok()?;
    let found = path.iter().try_fold(&tree, |value, segment| match segment {
        Segment::Seq { index } => value.get(index),
        Segment::Map { key } => value.get(key),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    found.cloned()
}

fn fault_of<P: DeserializeOwned>(params: &str) -> Option<Fault> {
    deserialized::<P>(params).err()
}

fn explained(params: &str, Fault { place, why }: Fault, fault_of: &dyn Fn(&str) -> Option<Fault>) -> String {
    match place.or_else(|| culprit(params, &why, fault_of)) {
        Some(member) => format!("{member}: {why}"),
        None => why,
    }
}

/// The member that is at fault where serde does not say it, because it had put the members aside before it read them:
/// the one without which something else is wrong, or nothing.
fn culprit(params: &str, why: &str, fault_of: &dyn Fn(&str) -> Option<Fault>) -> Option<String> {
    let names_itself = why.starts_with("missing field") || why.starts_with("duplicate field");
    if names_itself || params.len() > SEARCHED {
        return None;
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(params).ok()?;
    if members.len() > SEARCHED_MEMBERS {
        return None;
    }
    let names: Vec<_> = members.keys().cloned().collect();
    names.into_iter().find(|name| {
        let mut rest = members.clone();
        rest.remove(name);
        let is_to_blame = |rest: String| fault_of(&rest).is_none_or(|fault| fault.why != why);
        serde_json::to_string(&rest).is_ok_and(is_to_blame)
    })
}

/// serde_json's words without the position, which counts from the start of the params and would mislead.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TOLD) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::wire::rpc::ClientRequest;
    use serde_json::{json, value::to_raw_value};

    #[track_caller]
    fn check(method: &str, params: &serde_json::Value, told: &str) {
        let error = ClientRequest::parse(method, Some(&to_raw_value(params).unwrap())).unwrap_err();
        assert_eq!(error.told(method).message, format!("Invalid params for {method}: {told}"));
    }

    #[test]
    fn the_member_that_is_wrong_is_named() {
        check("turn/start", &json!([]), "expected an object");
        check("turn/start", &json!({"input": []}), "missing field `threadId`");
        check("thread/read", &json!({"threadId": "t", "thread_id": "t"}), "duplicate field `threadId`");
        check("thread/read", &json!({"threadId": 7}), "threadId: invalid type: integer `7`, expected a string");
        let piece = json!({"threadId": "t", "input": [{"type": "text", "text": "x"}, {"type": "smoke"}]});
        let words = "unknown variant `smoke`, expected one of `text`, `image`, `localImage`, `skill`, `mention`";
        check("turn/start", &piece, &format!("input[1].type: {words}"));
        let policy = json!({"approvalPolicy": true});
        check("thread/start", &policy, "approvalPolicy: unexpected `true`");
    }

    #[test]
    fn it_is_named_also_where_members_are_put_aside() {
        let resume = json!({"threadId": "t", "model": "m", "cwd": 7});
        check("thread/resume", &resume, "cwd: invalid type: integer `7`, expected path string");
        let login = json!({"type": "apiKey", "apiKey": [1]});
        check("account/login/start", &login, "apiKey: invalid type: sequence, expected a string");
        check("account/login/start", &json!({"apiKey": "sk"}), "missing field `type`");
    }

    #[test]
    fn a_clients_words_come_back_in_part() {
        let error =
            ClientRequest::parse("thread/start", Some(&to_raw_value(&json!({"sandbox": "x".repeat(9000)})).unwrap()));
        let told = error.unwrap_err().told("thread/start").message;
        assert!(told.contains("sandbox: unknown variant `xxx") && told.chars().count() < 500, "{told}");
    }
}
