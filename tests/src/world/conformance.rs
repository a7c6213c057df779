use boon::{Compiler, SchemaIndex, Schemas};
use llmx_protocol::schema::{AppServerSchema, MethodSchema};
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};

/// The protocol as `generate-json-schema` writes it.
struct Schema {
    schemas: Schemas,
    types: BTreeMap<String, SchemaIndex>,
    client_requests: BTreeMap<&'static str, MethodSchema>,
    server_requests: BTreeMap<&'static str, MethodSchema>,
    server_notifications: BTreeMap<&'static str, MethodSchema>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::generate);

impl Schema {
    fn generate() -> Self {
        const BUNDLE: &str = "llmx_app_server_protocol.v2.schemas.json";
        let generated = AppServerSchema::new();
        let bundle: Value = serde_json::from_str(&generated.json_files()[BUNDLE]).expect("a schema is JSON");
        let names: Vec<String> =
            bundle["definitions"].as_object().expect("a bundle has definitions").keys().cloned().collect();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource(BUNDLE, bundle).expect("a bundle is a schema");
        let mut compile = |name: &String| {
            let place = format!("{BUNDLE}#/definitions/{name}");
            compiler.compile(&place, &mut schemas).unwrap_or_else(|e| panic!("{name} is no schema: {e:#}"))
        };
        let types = names.iter().map(|name| (name.clone(), compile(name))).collect();
        let by_method = |methods: Vec<MethodSchema>| methods.into_iter().map(|m| (m.method, m)).collect();
        Self {
            schemas,
            types,
            client_requests: by_method(generated.client_requests()),
            server_requests: by_method(generated.server_requests()),
            server_notifications: by_method(generated.server_notifications()),
        }
    }

    /// What is wrong with a value of this type.
    fn fault(&self, name: &str, value: &Value) -> Option<String> {
        let wrong = self.schemas.validate(value, self.types[name]).err()?;
        Some(format!("no {name}: {wrong}"))
    }
}

/// What is wrong with the params of a client's request by the generated schema; none also where there is no such method.
#[must_use]
pub fn fault_of_params(method: &str, params: &Value) -> Option<String> {
    let known = SCHEMA.client_requests.get(method)?;
    if params.is_null() && known.params_optional { None } else { SCHEMA.fault(&known.params, params) }
}

/// Holds a conversation with `llmx app-server` to the schema that it generates: what llmx says is as the schema says,
/// and a request is refused for its params exactly if they are not.
#[derive(Default)]
pub(super) struct Conformance {
    /// The client's requests by their ids: the method, and what is wrong with the params.
    asked: BTreeMap<String, (String, Option<String>)>,
    /// Lines of the client's that serde_json does not read, nested too deep; llmx may.
    unread: usize,
    /// The methods of the server's requests.
    wanted: BTreeMap<String, String>,
}

impl Conformance {
    /// The client sends this.
    ///
    /// # Errors
    /// What is wrong with an answer. What is wrong with a request is found when llmx answers it.
    pub(super) fn sent(&mut self, message: &Value) -> Result<(), String> {
        let (id, method) = (message["id"].to_string(), message["method"].as_str());
        match method {
            Some(method) => {
                let fault = fault_of_params(method, &message["params"]);
                self.asked.insert(id, (method.to_owned(), fault));
                Ok(())
            }
            None => match self.wanted.get(&id) {
                Some(method) if message["error"].is_null() => {
                    let result =
                        SCHEMA.server_requests[method.as_str()].result.as_ref().expect("a request has a result");
                    SCHEMA.fault(result, &message["result"]).map_or(Ok(()), Err)
                }
                _ => Ok(()),
            },
        }
    }

    /// The client sends a line that cannot be looked at.
    pub(super) fn sent_unread(&mut self) {
        self.unread += 1;
    }

    /// llmx sent this.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn came(&mut self, message: &Value) -> Result<(), String> {
        let fault = match message["method"].as_str() {
            None => return self.answered(message),
            Some(method) if message["id"].is_null() => match SCHEMA.server_notifications.get(method) {
                Some(known) => SCHEMA.fault(&known.params, &message["params"]),
                None => Some(format!("no notification is called {method}")),
            },
            Some(method) => match SCHEMA.server_requests.get(method) {
                Some(known) => {
                    self.wanted.insert(message["id"].to_string(), method.to_owned());
                    SCHEMA.fault(&known.params, &message["params"])
                }
                None => Some(format!("no request of the server's is called {method}")),
            },
        };
        fault.map_or(Ok(()), Err)
    }

    fn answered(&mut self, message: &Value) -> Result<(), String> {
        let asked = self.asked.remove(&message["id"].to_string());
        let error = &message["error"];
        if !error.is_null() {
            if let Some(fault) = SCHEMA.fault("JSONRPCError", message) {
                return Err(fault);
            }
            let not_yet = error["message"] == "Not initialized" || error["message"] == "Already initialized";
            return match asked {
                Some((method, None)) if error["code"] == -32602 => {
                    Err(format!("params of {method} that are as the schema says were refused"))
                }
                Some((method, Some(fault))) if error["code"] != -32602 && !not_yet => {
                    Err(format!("params of {method} that the schema does not allow were let pass: {fault}"))
                }
                _ => Ok(()),
            };
        }
        let Some((method, fault)) = asked else {
            self.unread = self.unread.checked_sub(1).ok_or("an answer that nobody waits for")?;
            return Ok(());
        };
        if let Some(fault) = fault {
            return Err(format!("params of {method} that the schema does not allow were accepted: {fault}"));
        }
        let known = &SCHEMA.client_requests[method.as_str()];
        let result = known.result.as_ref().expect("a request has a result");
        SCHEMA.fault(result, &message["result"]).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(sent: &Value, came: &Value, expected: &str) {
        let mut conformance = Conformance::default();
        conformance.sent(sent).unwrap();
        let told = conformance.came(came).map_or_else(|fault| fault, |()| "fine".to_owned());
        assert!(told.starts_with(expected), "{sent} {came}: {told}");
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let read = |params: Value| json!({"id": 1, "method": "thread/read", "params": params});
        let refused = |code: i64| json!({"id": 1, "error": {"code": code, "message": "no"}});
        check(&read(json!({"threadId": "t"})), &refused(-32600), "fine");
        check(&read(json!({"thread_id": "t"})), &refused(-32600), "fine");
        check(&read(json!({})), &refused(-32602), "fine");
        check(&read(json!({})), &refused(-32600), "params of thread/read that the schema does not allow were let pass");
        check(&read(json!({"threadId": "t"})), &refused(-32602), "params of thread/read that are as the schema says");
        check(&read(json!({"threadId": "t"})), &json!({"id": 1, "result": {}}), "no ThreadReadResponse");
        check(&read(json!({"threadId": "t"})), &json!({"id": 2, "result": {}}), "an answer that nobody waits for");
        check(&read(json!({})), &json!({"method": "thread/closed", "params": {}}), "no ThreadClosedNotification");
        check(&read(json!({})), &json!({"method": "thread/flown", "params": {}}), "no notification is called");
        check(&json!({"id": 1, "method": "account/logout"}), &json!({"id": 1, "result": {}}), "fine");
    }

    #[test]
    fn an_answer_to_a_question_is_looked_at() {
        let mut conformance = Conformance::default();
        let question = json!({"id": 0, "method": "item/fileChange/requestApproval", "params": {"threadId": "t",
            "turnId": "u", "itemId": "i", "startedAtMs": 1, "reason": null, "grantRoot": null}});
        conformance.came(&question).unwrap();
        conformance.sent(&json!({"id": 0, "result": {"decision": "accept"}})).unwrap();
        conformance.sent(&json!({"id": 0, "error": "no"})).unwrap();
        assert!(conformance.sent(&json!({"id": 0, "result": {"decision": "whatever"}})).is_err());
    }
}
