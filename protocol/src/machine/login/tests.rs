use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A script's words: `browser:a`, `device:a`, `key:a` start login `a`; `open:a`; `call:a/right`, `call:a/wrong`,
/// `call:a/none`, `call:a/denied`, `call:a/nocode`; `granted:a`, `failed:a`, `stored:a`, `unstored:a`, `cancel:a`,
/// `logout`, `+600` seconds.
#[derive(Clone)]
struct Run {
    machine: Login,
    now: Instant,
    visits: u64,
}

impl Run {
    fn new(forced: Option<ForcedMethod>) -> Self {
        Self { machine: Login::new(forced), now: Instant::now(), visits: 0 }
    }

    fn say(&mut self, word: &str) -> Vec<Effect> {
        let input = self.input(word);
        self.machine.apply(input, self.now)
    }

    fn input(&mut self, word: &str) -> Input {
        if let Some(seconds) = word.strip_prefix('+') {
            self.now += Duration::from_secs(seconds.parse().unwrap());
            return Input::Tick;
        }
        let (what, whose) = word.split_once(':').unwrap_or((word, ""));
        let (login, how) = whose.split_once('/').unwrap_or((whose, ""));
        let login = LoginId::from(login);
        match what {
            "browser" => Input::Start { login, method: Method::Browser },
            "device" => Input::Start { login, method: Method::DeviceCode },
            "key" => Input::Start { login, method: Method::ApiKey },
            "open" => {
                let state = Some(State(format!("state of {login}")));
                Input::Opened { login, state, within: BROWSER_LOGIN_TIMEOUT }
            }
            "code" => Input::Opened { login, state: None, within: Duration::from_secs(60) },
            "call" => {
                self.visits += 1;
                let callback = callback(&login, how);
                Input::Called { login, visit: Visit(self.visits), callback }
            }
            "granted" => Input::Granted { login },
            "failed" => Input::Failed { login, why: "broken".into() },
            "stored" => Input::Stored { login, result: Ok(()) },
            "unstored" => Input::Stored { login, result: Err("disk full".into()) },
            "cancel" => Input::Cancel { login },
            "logout" => Input::Logout,
            _ => panic!("no such word: {word}"),
        }
    }
}

fn callback(login: &LoginId, how: &str) -> Callback {
    let state = Some(State(format!("state of {login}")));
    let code = Some(AuthorizationCode("code".into()));
    match how {
        "right" => Callback { state, code, error: None },
        "wrong" => Callback { state: Some(State("state of someone else".into())), code, error: None },
        "none" => Callback { state: None, code, error: None },
        "denied" => Callback { state, code: None, error: Some("access denied".into()) },
        "stray-denied" => Callback { state: None, code: None, error: Some("access denied".into()) },
        "nocode" => Callback { state, code: None, error: None },
        _ => panic!("no such callback: {how}"),
    }
}

fn shown(effect: &Effect) -> String {
    let ended = |error: &Option<String>| error.as_ref().map_or("ok".to_owned(), |why| format!("({why})"));
    match effect {
        Effect::Refuse { login, why } => format!("refuse:{login}({why})"),
        Effect::Open { login, method } => format!("open:{login}/{method:?}"),
        Effect::Accept { login } => format!("accept:{login}"),
        Effect::Exchange { login, code } => format!("exchange:{login}/{}", code.0),
        Effect::Store { login } => format!("store:{login}"),
        Effect::Remove => "remove".into(),
        Effect::Show { visit, page: Page::Done } => format!("page{}:done", visit.0),
        Effect::Show { visit, page: Page::Failed(why) } => format!("page{}:failed({why})", visit.0),
        Effect::Show { visit, page: Page::Strange(_) } => format!("page{}:strange", visit.0),
        Effect::Close { login } => format!("close:{login}"),
        Effect::Cancelled { login, found } => format!("cancelled:{login}/{found}"),
        Effect::Completed { login: Some(login), error } => format!("completed:{login}{}", ended(error)),
        Effect::Completed { login: None, error } => format!("completed{}", ended(error)),
        Effect::AccountChanged => "changed".into(),
    }
}

/// The effects of the script's last word.
fn check(script: &str, expected: &str) {
    check_forced(None, script, expected);
}

fn check_forced(forced: Option<ForcedMethod>, script: &str, expected: &str) {
    let mut run = Run::new(forced);
    let last = script.split_whitespace().map(|word| run.say(word)).last().unwrap();
    let last: Vec<_> = last.iter().map(shown).collect();
    assert_eq!(last.join(" "), expected, "{script}");
}

#[test]
fn a_browser_login_goes_step_by_step() {
    check("browser:a", "open:a/Browser");
    check("browser:a open:a", "accept:a");
    check("browser:a open:a call:a/right", "exchange:a/code");
    check("browser:a open:a call:a/right granted:a", "store:a");
    check("browser:a open:a call:a/right granted:a stored:a", "page1:done close:a completed:aok changed");
    check(
        "browser:a open:a call:a/right granted:a unstored:a",
        "page1:failed(disk full) close:a completed:a(disk full)",
    );
    check("browser:a open:a call:a/right failed:a", "page1:failed(broken) close:a completed:a(broken)");
}

#[test]
fn a_device_login_needs_no_callback() {
    check("device:a code:a", "accept:a");
    check("device:a code:a granted:a", "store:a");
    check("device:a code:a granted:a stored:a", "close:a completed:aok changed");
    check("device:a code:a failed:a", "close:a completed:a(broken)");
    check("device:a code:a +59", "");
    check("device:a code:a +60", "close:a completed:a(Login timed out)");
    check("device:a code:a call:a/none", "page1:strange");
}

#[test]
fn a_key_is_kept_before_anybody_is_told() {
    check("key:a", "store:a");
    check("key:a stored:a", "close:a accept:a completedok changed");
    check("key:a unstored:a", "close:a refuse:a(disk full)");
}

#[test]
fn only_who_knows_the_state_counts() {
    for stranger in ["wrong", "none", "stray-denied"] {
        check(&format!("browser:a open:a call:a/{stranger}"), "page1:strange");
        check(&format!("browser:a open:a call:a/{stranger} call:a/right"), "exchange:a/code");
    }
    check("browser:a open:a call:a/nocode", "page1:strange");
    check("browser:a open:a call:a/denied", "page1:failed(access denied) close:a completed:a(access denied)");
    check("browser:a open:a call:a/right call:a/right", "page2:strange");
    check("browser:a open:a call:a/right call:a/denied", "page2:strange");
}

#[test]
fn one_at_a_time() {
    check("browser:a browser:b", "close:a refuse:a(Login was replaced by a new one) open:b/Browser");
    check("browser:a open:a device:b", "close:a completed:a(Login was replaced by a new one) open:b/DeviceCode");
    check("browser:a open:a key:b", "close:a completed:a(Login was replaced by a new one) store:b");
    check(
        "browser:a open:a call:a/right browser:b",
        "page1:failed(Login was replaced by a new one) close:a completed:a(Login was replaced by a new one) open:b/Browser",
    );
    check("browser:a open:a browser:b call:a/right", "page1:strange");
    check("browser:a open:a browser:b granted:a", "");
    check("browser:a open:a browser:b failed:a", "");
    // What is being written is not stopped: its end is told, and what comes next is written after it.
    check("browser:a open:a call:a/right granted:a key:b", "store:b");
    check("browser:a open:a call:a/right granted:a key:b stored:a", "page1:done close:a completed:aok changed");
}

#[test]
fn a_login_can_be_cancelled_once() {
    check("browser:a open:a cancel:a", "cancelled:a/true close:a completed:a(Login was cancelled)");
    check("browser:a open:a cancel:a cancel:a", "cancelled:a/false");
    check("browser:a open:a cancel:b", "cancelled:b/false");
    check("cancel:a", "cancelled:a/false");
    check(
        "browser:a open:a call:a/right cancel:a",
        "cancelled:a/true page1:failed(Login was cancelled) close:a completed:a(Login was cancelled)",
    );
    check("browser:a open:a call:a/right cancel:a granted:a", "");
    check("browser:a open:a call:a/right granted:a cancel:a", "cancelled:a/false");
    check("browser:a cancel:a", "cancelled:a/true close:a refuse:a(Login was cancelled)");
    check("browser:a cancel:a open:a", "");
}

#[test]
fn a_login_has_ten_minutes() {
    check("browser:a open:a +599", "");
    check("browser:a open:a +600", "close:a completed:a(Login timed out)");
    check("browser:a open:a +600 +600", "");
    check("browser:a open:a +600 call:a/right", "page1:strange");
    check("browser:a open:a call:a/right +600", "page1:failed(Login timed out) close:a completed:a(Login timed out)");
    check("browser:a open:a call:a/right granted:a +600", "");
    check("browser:a open:a cancel:a browser:b open:b +599", "");
}

#[test]
fn a_logout_ends_the_login_too() {
    check("logout", "remove");
    check("browser:a open:a logout", "close:a completed:a(Login was cancelled by a logout) remove");
    check("browser:a open:a call:a/right granted:a logout", "remove");
}

#[test]
fn a_method_can_be_forbidden() {
    let no_key = "refuse:a(API key login is disabled. Use ChatGPT login instead.)";
    let no_account = "refuse:a(ChatGPT login is disabled. Use API key login instead.)";
    check_forced(Some(ForcedMethod::ChatGpt), "key:a", no_key);
    check_forced(Some(ForcedMethod::ChatGpt), "browser:a", "open:a/Browser");
    check_forced(Some(ForcedMethod::Api), "browser:a", no_account);
    check_forced(Some(ForcedMethod::Api), "device:a", no_account);
    check_forced(Some(ForcedMethod::Api), "key:a", "store:a");
    // What is refused replaces nothing.
    check_forced(Some(ForcedMethod::ChatGpt), "browser:b open:b key:a call:b/right", "exchange:b/code");
}

#[test]
fn what_is_secret_does_not_print() {
    let callback = callback(&"a".into(), "right");
    let printed = format!("{callback:?}");
    assert!(!printed.contains("code\"") && !printed.contains("state of"), "{printed}");
}

fn word() -> impl Strategy<Value = String> {
    let what = prop::sample::select(vec![
        "browser:",
        "device:",
        "key:",
        "open:",
        "code:",
        "call:/right",
        "call:/wrong",
        "call:/none",
        "call:/denied",
        "call:/nocode",
        "granted:",
        "failed:",
        "stored:",
        "unstored:",
        "cancel:",
        "logout",
        "+1",
        "+60",
        "+600",
    ]);
    let whose = prop::sample::select(vec!["a", "b", "c"]);
    (what, whose).prop_map(|(what, login)| what.replacen(':', &format!(":{login}"), 1))
}

/// What a run's effects must be like, whatever is said. Starts are renamed so that every id is new.
#[derive(Default)]
struct Expectations {
    accepted: BTreeMap<String, usize>,
    stored: Vec<String>,
    open: Vec<String>,
}

impl Expectations {
    fn see(&mut self, effect: &Effect) {
        match effect {
            Effect::Open { login, .. } => {
                assert!(self.open.is_empty(), "two logins at a time");
                self.open.push(login.to_string());
            }
            Effect::Close { login } => self.open.retain(|open| open != login.as_str()),
            Effect::Accept { login } => {
                // A key is accepted when it is kept: that is its end.
                let ends = usize::from(self.stored.contains(&login.to_string()));
                assert_eq!(self.accepted.insert(login.to_string(), ends), None, "accepted twice");
            }
            Effect::Refuse { login, .. } => {
                assert!(!self.accepted.contains_key(login.as_str()), "refused after it was accepted");
            }
            Effect::Store { login } => {
                assert!(!self.stored.contains(&login.to_string()), "stored twice");
                self.stored.push(login.to_string());
                self.open.retain(|open| open != login.as_str());
            }
            Effect::Completed { login: Some(login), error } => {
                let ends = self.accepted.get_mut(login.as_str()).expect("only an accepted login completes");
                *ends += 1;
                assert_eq!(*ends, 1, "completed twice");
                assert!(error.is_some() || self.stored.contains(&login.to_string()), "success without credentials");
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_accepted_login_has_one_end_and_there_is_one_at_a_time(words in prop::collection::vec(word(), 0..40)) {
        let (mut run, mut seen) = (Run::new(None), Expectations::default());
        let mut current: BTreeMap<String, usize> = BTreeMap::new();
        for (count, word) in words.iter().enumerate() {
            let whose = word.split_once(':').map(|(_, rest)| rest.split('/').next().unwrap_or_default().to_owned());
            let mut renamed = word.clone();
            if let Some(name) = whose {
                if ["browser", "device", "key"].iter().any(|start| word.starts_with(start)) {
                    current.insert(name.clone(), count);
                }
                let number = current.get(&name).copied().unwrap_or_default();
                renamed = word.replacen(&format!(":{name}"), &format!(":{name}{number}"), 1);
            }
            for effect in run.say(&renamed) {
                seen.see(&effect);
            }
            prop_assert_eq!(run.machine.deadline().is_some(), seen.open.iter().any(|o| seen.accepted.contains_key(o)));
        }
        // Whatever is left ends when its time is up, and what is being written when it is written.
        for effect in run.say("+601") {
            seen.see(&effect);
        }
        for login in seen.stored.clone() {
            for effect in run.say(&format!("stored:{login}")) {
                seen.see(&effect);
            }
        }
        let unfinished: Vec<_> = seen.accepted.iter().filter(|(_, ends)| **ends == 0).collect();
        prop_assert!(unfinished.is_empty(), "accepted and never told: {unfinished:?}");
        prop_assert_eq!(run.machine.deadline(), None);
    }
}
