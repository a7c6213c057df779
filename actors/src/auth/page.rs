//! What a browser is shown when it comes back.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY},
};
use llmx_protocol::machine::login::Page;

/// The page of a login.
pub(super) fn html(page: &Page) -> Response<Full<Bytes>> {
    let (status, title, text) = match page {
        Page::Done => (StatusCode::OK, "You are logged in", "You can close this window and go back to llmx."),
        Page::Failed(why) => (StatusCode::BAD_REQUEST, "The login failed", why.as_str()),
        Page::Strange(why) => (StatusCode::BAD_REQUEST, "This is not the login that llmx waits for", *why),
    };
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>llmx: {title}</title>\
         <h1>{title}</h1><p>{}</p></html>\n",
        escaped(text)
    );
    response(status, "text/html; charset=utf-8", body)
}

/// A word for whoever is not a browser on its way back.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// The address holds a code: it is told to nobody and kept nowhere.
fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let policy = "default-src 'none'; frame-ancestors 'none'";
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_no_html() {
        assert_eq!(escaped("<b x=\"'\">&"), "&lt;b x=&quot;&#39;&quot;&gt;&amp;");
    }
}
