use serde_json::Value;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST /v1/responses` and the like.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The JSON in it.
    pub body: Value,
}

impl Request {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The items of the conversation.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn input(&self) -> &[Value] {
        self.body["input"].as_array().expect("a request has input")
    }

    /// The text that answers a call; it must be there exactly once, after its call.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn output_of(&self, call_id: &str) -> &str {
        let of_call = |kind: &str| {
            let is_it = |item: &&Value| item["type"] == kind && item["call_id"] == call_id;
            self.input().iter().filter(is_it).collect::<Vec<_>>()
        };
        let outputs = [of_call("function_call_output"), of_call("custom_tool_call_output")].concat();
        assert_eq!(outputs.len(), 1, "outputs of {call_id} in {:#}", self.body["input"]);
        outputs[0]["output"].as_str().expect("an output is text")
    }

    /// The output of a command that ran.
    ///
    /// # Panics
    /// If the text that answers the call is no JSON.
    #[must_use]
    pub fn command_output(&self, call_id: &str) -> Value {
        let text = self.output_of(call_id);
        serde_json::from_str(text).unwrap_or_else(|e| panic!("output of {call_id} is no JSON ({e}): {text}"))
    }

    /// Who said what: `user: …`, `assistant: …`, `call c1`, `output c1`, without what llmx itself tells the model first.
    #[must_use]
    pub fn conversation(&self) -> Vec<String> {
        let said = self.input().iter().map(describe);
        said.filter(|line| !line.starts_with("user: <environment_context>")).collect()
    }
}

fn describe(item: &Value) -> String {
    let text = |member: &str| item[member].as_str().unwrap_or_default();
    match text("type") {
        "function_call" | "custom_tool_call" => format!("call {}", text("call_id")),
        "function_call_output" | "custom_tool_call_output" => format!("output {}", text("call_id")),
        _ => format!("{}: {}", text("role"), content(&item["content"])),
    }
}

fn content(parts: &Value) -> String {
    let texts = parts.as_array().into_iter().flatten().map(|part| part["text"].as_str().unwrap_or("[image]"));
    texts.collect::<Vec<_>>().join("|")
}
