use super::*;

fn http(status: u16, body: &str) -> Failure {
    Failure::from_http(status, None, None, None, body.as_bytes(), 0)
}

fn check(status: u16, body: &str, kind: FailureKind) {
    assert_eq!(http(status, body).kind, kind, "{status} {body}");
}

#[test]
fn the_status_decides_where_the_body_is_silent() {
    for body in ["", "<html>", "{}", "[1]", r#"{"error":null}"#, r#"{"error":{"code":[],"message":7}}"#] {
        check(400, body, FailureKind::BadRequest);
        check(401, body, FailureKind::Auth);
        check(403, body, FailureKind::BadRequest);
        check(404, body, FailureKind::NoSuchRoute);
        check(405, body, FailureKind::NoSuchRoute);
        check(501, body, FailureKind::NoSuchRoute);
        check(408, body, FailureKind::Server);
        check(409, body, FailureKind::Server);
        check(413, body, FailureKind::TooLarge);
        check(422, body, FailureKind::BadRequest);
        check(429, body, FailureKind::RateLimited);
        check(500, body, FailureKind::Server);
        check(503, body, FailureKind::Server);
        check(529, body, FailureKind::Server);
        check(302, body, FailureKind::BadRequest);
    }
}

#[test]
fn the_body_refines_the_status() {
    check(429, r#"{"error":{"type":"usage_limit_reached","resets_at":1}}"#, FailureKind::UsageLimit);
    check(429, r#"{"error":{"type":"usage_not_included"}}"#, FailureKind::UsageLimit);
    check(429, r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#, FailureKind::Quota);
    check(429, r#"{"error":{"message":"throttled","type":"throttling_error","code":"429"}}"#, FailureKind::RateLimited);
    check(503, r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#, FailureKind::Loading);
    check(
        404,
        r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#,
        FailureKind::NoSuchRoute,
    );
    check(404, r#"{"detail":"Not Found"}"#, FailureKind::NoSuchRoute);
    check(
        400,
        r#"{"error":{"message":"mock","type":"server_error","code":"rate_limit_exceeded"}}"#,
        FailureKind::BadRequest,
    );
    check(404, r#"{"error":{"message":"no","code":"model_not_found"}}"#, FailureKind::BadRequest);
    check(404, r#"{"error":"model 'x' not found, try pulling it first"}"#, FailureKind::BadRequest);
    check(
        400,
        r#"{"error":{"message":"Previous response with id 'resp_1' not found.","code":"previous_response_not_found"}}"#,
        FailureKind::PreviousResponseNotFound,
    );
    check(
        400,
        r#"{"error":{"code":400,"message":"llama.cpp does not support 'previous_response_id'.","type":"invalid_request_error"}}"#,
        FailureKind::PreviousResponseNotFound,
    );
}

#[test]
fn a_context_overflow_is_known_in_every_server_s_words() {
    let llama_cpp = r#"{"error":{"code":400,"message":"request (9033 tokens) exceeds the available context size (4096 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9033,"n_ctx":4096}}"#;
    let litellm = r#"{"error":{"message":"litellm.ContextWindowExceededError: litellm.BadRequestError: …","type":"invalid_request_error","param":null,"code":"400"}}"#;
    let bodies = [
        llama_cpp,
        litellm,
        r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#,
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, …"}}"#,
        r#"{"error":{"message":"Your input exceeds the context window of this model."}}"#,
        r#"{"error":{"type":"invalid_request_error","message":"prompt is too long: 200001 tokens > 200000 maximum"}}"#,
        r#"{"error":{"message":"The input token count (1) exceeds the maximum number of tokens allowed (0)."}}"#,
    ];
    for body in bodies {
        for status in [400, 413, 500] {
            check(status, body, FailureKind::ContextOverflow);
        }
    }
    check(
        429,
        r#"{"error":{"message":"Request too large: Limit 30000 tokens per min, Requested 40000"}}"#,
        FailureKind::RateLimited,
    );
    check(400, r#"{"error":{"message":"max_output_tokens must be positive"}}"#, FailureKind::BadRequest);
}

#[test]
fn a_missing_route_is_known_in_every_proxy_s_words() {
    let messages = [
        "Unexpected endpoint or method. (POST /v1/responses)",
        "Unknown request URL: POST /openai/v1/responses. Please check the URL for typos",
        "Invalid URL (POST /v1/responses)",
        "no Route matched with those values",
        "This model does not support the Responses API",
        "no route found",
    ];
    for message in messages {
        let error = serde_json::json!({"message": message, "type": "invalid_request_error"});
        let body = serde_json::json!({"error": error}).to_string();
        for status in [400, 404, 500, 503] {
            check(status, &body, FailureKind::NoSuchRoute);
        }
        assert_eq!(Failure::from_answer(&error).kind, FailureKind::NoSuchRoute, "{message}");
        assert_ne!(Failure::from_stream(&error).kind, FailureKind::NoSuchRoute, "{message}");
    }
    let other = serde_json::json!({"message": "bad", "type": "invalid_request_error"});
    assert_eq!(Failure::from_answer(&other), Failure::from_stream(&other));
    check(401, r#"{"error":{"message":"no route without a key"}}"#, FailureKind::Auth);
    check(500, r#"{"error":{"message":"not implemented"}}"#, FailureKind::Server);
    check(500, r#"{"error":{"message":"Connection error: No route to host"}}"#, FailureKind::Server);
    check(
        404,
        r#"{"error":{"message":"unknown endpoint; there are /v1/chat/completions and /v1/models"}}"#,
        FailureKind::NoSuchRoute,
    );
}

#[test]
fn only_what_may_pass_is_retried() {
    let retried = |kind: FailureKind| kind.is_retryable();
    use FailureKind::*;
    for kind in [Connect, Dropped, Cut, Idle, RateLimited, Server, Loading, Garbage] {
        assert!(retried(kind), "{kind:?}");
    }
    for kind in [Auth, BadRequest, ContextOverflow, Quota, UsageLimit, PreviousResponseNotFound, NoSuchRoute, TooLarge]
    {
        assert!(!retried(kind), "{kind:?}");
    }
}

#[test]
fn the_texts_are_those_a_ui_knows() {
    let text = |status: u16, body: &str| {
        Failure::from_http(status, None, None, Some("req\n1"), body.as_bytes(), 0).to_string()
    };
    assert_eq!(
        text(400, "{\"error\":\n \"no\"}"),
        "unexpected status 400 Bad Request: {\"error\": \"no\"}, request id: req 1"
    );
    assert_eq!(text(499, ""), "unexpected status 499: , request id: req 1");
    assert_eq!(text(503, ""), "exceeded retry limit, last status: 503 Service Unavailable, request id: req 1");
    assert_eq!(
        text(429, r#"{"error":{"message":"slow\u001b down"}}"#),
        "exceeded retry limit, last status: 429 Too Many Requests, request id: req 1 (server: slow\\u{1b} down)"
    );
    assert_eq!(text(500, ""), "We're currently experiencing high demand, which may cause temporary errors.");
    assert_eq!(
        text(403, r#"{"error":{"code":"insufficient_quota"}}"#),
        "Quota exceeded. Check your plan and billing details."
    );
    assert_eq!(text(429, r#"{"error":{"type":"usage_limit_reached","message":"used up"}}"#), "used up");
    assert!(
        text(400, r#"{"error":{"code":"context_length_exceeded"}}"#)
            .starts_with("LLMX ran out of room in the model's context window.")
    );
    assert_eq!(Failure::connect("refused").to_string(), "Connection failed: refused");
    assert_eq!(Failure::cut("reset").to_string(), "stream disconnected before completion: reset");
    assert_eq!(
        Failure::idle(Duration::from_secs(300)).to_string(),
        "stream disconnected before completion: idle timeout waiting for SSE (300s)"
    );
}

#[test]
fn a_failure_that_is_tried_again_is_not_called_the_last() {
    let message = |status: u16, body: &str| http(status, body).message;
    assert_eq!(message(429, r#"{"error":{"message":"slow"}}"#), "429 Too Many Requests (server: slow)");
    assert_eq!(message(500, ""), "500 Internal Server Error");
    assert_eq!(message(400, "no"), "unexpected status 400 Bad Request: no");
}

#[test]
fn a_huge_body_does_not_become_a_huge_message() {
    assert!(http(400, &"\u{1}".repeat(1 << 20)).message.len() < 16 * 1024);
}

#[test]
fn the_wait_comes_from_the_headers_or_else_from_the_words() {
    let wait = |headers: (Option<&str>, Option<&str>), body: &str| {
        Failure::from_http(429, headers.0, headers.1, None, body.as_bytes(), 1000)
            .retry_after
            .map(|wait| wait.as_millis())
    };
    let words = r#"{"error":{"message":"Please try again in 1.5s."}}"#;
    assert_eq!(wait((Some("7"), Some("20")), words), Some(20));
    assert_eq!(wait((Some("7"), None), words), Some(7000));
    assert_eq!(wait((None, None), words), Some(1500));
    assert_eq!(wait((None, None), r#"{"error":{"type":"usage_limit_reached","resets_at":1060}}"#), Some(60_000));
    assert_eq!(wait((None, None), r#"{"error":{"resets_in_seconds":9}}"#), Some(9000));
    assert_eq!(wait((None, None), ""), None);
}

#[test]
fn errors_inside_a_stream_are_known_by_name_code_or_words() {
    let check = |error: &str, kind: FailureKind, text: &str| {
        let failure = Failure::from_stream(&serde_json::from_str(error).unwrap());
        assert_eq!((failure.kind, failure.to_string().as_str()), (kind, text), "{error}");
    };
    let cut = |detail: &str| format!("stream disconnected before completion: {detail}");
    check(r#"{"code":"server_error","message":"oops"}"#, FailureKind::Server, &cut("oops"));
    check(r#"{"message":"oops"}"#, FailureKind::Server, &cut("oops"));
    check(r#""oops""#, FailureKind::Server, &cut("oops"));
    check(r#"{"x":1}"#, FailureKind::Server, &cut(r#"{"x":1}"#));
    check(r#"{"type":"None","param":"None","code":"500","message":"litellm"}"#, FailureKind::Server, &cut("litellm"));
    check(r#"{"code":400,"message":"bad","type":"invalid_request_error"}"#, FailureKind::BadRequest, "bad");
    check(r#"{"code":"404","message":"gone"}"#, FailureKind::BadRequest, "gone");
    check(r#"{"code":"invalid_prompt","message":"bad"}"#, FailureKind::BadRequest, "bad");
    check(
        r#"{"code":"insufficient_quota"}"#,
        FailureKind::Quota,
        "Quota exceeded. Check your plan and billing details.",
    );
    check(
        r#"{"code":500,"message":"Context size has been exceeded."}"#,
        FailureKind::ContextOverflow,
        "LLMX ran out of room in the model's context window. Compact this conversation or start a new one. (server: Context size has been exceeded.)",
    );
    let limited = serde_json::json!({"code": "rate_limit_exceeded", "message": "try again in 20ms"});
    assert_eq!(
        Failure::from_stream(&limited),
        Failure {
            kind: FailureKind::RateLimited,
            message: cut("try again in 20ms"),
            last_words: None,
            retry_after: Some(Duration::from_millis(20)),
        }
    );
}
