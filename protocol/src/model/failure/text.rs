//! Text from a server, made fit for a line on a screen.

const LONGEST: usize = 2048;

/// One line without control characters, at most 2 kB of the original: a server can otherwise drive a terminal.
pub(super) fn printable(text: &str) -> String {
    let cut = text.trim().char_indices().take_while(|(at, _)| *at < LONGEST).map(|(_, c)| c);
    let mut line = String::new();
    for c in cut {
        match c {
            c if c.is_whitespace() => push_space(&mut line),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    if text.trim().len() > LONGEST {
        line.push('…');
    }
    line
}

fn push_space(line: &mut String) {
    if !line.ends_with(' ') {
        line.push(' ');
    }
}

/// A status as people know it: `404 Not Found`.
pub(super) fn status_text(status: u16) -> String {
    match reason(status) {
        "" => status.to_string(),
        reason => format!("{status} {reason}"),
    }
}

/// The phrases of RFC 9110 for what model servers send.
fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Payload Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        425 => "Too Early",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_stays_a_line() {
        let check = |text: &str, expected: &str| assert_eq!(printable(text), expected);
        check("  a\r\n\t b \n", "a b");
        check("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}");
        check("caf\u{e9}", "caf\u{e9}");
        check("", "");
        check(&"x".repeat(2048), &"x".repeat(2048));
        check(&"x".repeat(2049), &format!("{}…", "x".repeat(2048)));
    }

    proptest! {
        #[test]
        fn any_text_is_short_and_printable(text in "\\PC{0,10}(.|\n){0,3000}") {
            let line = printable(&text);
            prop_assert!(line.chars().all(|c| !c.is_control()));
            prop_assert!(line.chars().count() <= 2048 * 10);
        }
    }
}
