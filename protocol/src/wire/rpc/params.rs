//! Reads params, and says where they are wrong.

use super::{CallError, envelope::is_object};
use serde::de::DeserializeOwned;
use serde_json::{Value, value::RawValue};

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
    serde_json::from_str(params).map_err(|error| CallError::Params(shortened(explained::<P>(params, &error))))
}

/// What is wrong, and at which member. It is looked for only when there is something wrong, so that reading stays quick.
fn explained<P: DeserializeOwned>(params: &str, error: &serde_json::Error) -> String {
    let read_again: Result<Value, _> = serde_json::from_str(params);
    let Ok(mut value) = read_again else { return plain(error) };
    match serde_path_to_error::deserialize::<_, P>(&value) {
        Err(found) if found.path().iter().next().is_some() => format!("{}: {}", found.path(), plain(found.inner())),
        Err(found) => {
            let why = plain(found.inner());
            match culprit::<P>(&mut value, params.len(), &why) {
                Some(member) => format!("{member}: {why}"),
                None => why,
            }
        }
        Ok(_) => plain(error),
    }
}

/// The member that is at fault where serde does not say it, because it had put the members aside before it read them:
/// the one without which something else is wrong, or nothing.
fn culprit<P: DeserializeOwned>(params: &mut Value, length: usize, why: &str) -> Option<String> {
    let names_itself = why.starts_with("missing field") || why.starts_with("duplicate field");
    let members = params.as_object_mut().filter(|members| members.len() <= SEARCHED_MEMBERS)?;
    if names_itself || length > SEARCHED {
        return None;
    }
    let names: Vec<String> = members.keys().cloned().collect();
    names.into_iter().find(|name| {
        let Some(member) = params.as_object_mut().and_then(|members| members.remove(name)) else { return false };
        let is_to_blame = P::deserialize(&*params).err().is_none_or(|error| plain(&error) != why);
        params[name] = member;
        is_to_blame
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
        check("thread/start", &policy, "approvalPolicy: invalid type: boolean `true`, expected string or map");
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
