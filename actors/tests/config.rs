//! Configuration as an embedder loads it: a home, overrides and an environment in, a `Config` or one sentence out.
#![expect(clippy::unwrap_used, reason = "a set-up that fails must fail its test")]

use llmx_actors::config::{
    Config, ConfigSources, CredentialsStore, Environment, Loaded, LoginSettings, ProviderInfo, Secret, WireApi,
    home_directory, load,
};
use llmx_actors::executor::process::{Inherit, NamePattern, ShellEnvironmentPolicy};
use llmx_actors::threads::SyncPolicy;
use llmx_protocol::{
    local_files::ProjectDocOptions,
    machine::login::ForcedMethod,
    wire::policy::{AskForApproval, ReasoningEffort, ReasoningSummary, SandboxPolicy, Verbosity},
};
use proptest::prelude::*;
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path, path::PathBuf};

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().copied().collect()
}

fn sources(home: &Path, overrides: &[&str], variables: &[(&str, &str)]) -> ConfigSources {
    ConfigSources {
        home: Some(home.to_owned()),
        overrides: overrides.iter().map(|&text| text.to_owned()).collect(),
        environment: environment(variables),
    }
}

/// Loads `toml` from a home of its own, which the result forgets; messages name its file as `config.toml`.
fn outcome(toml: &str, overrides: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("config.toml"), toml).unwrap();
    let prefix = format!("{}/", home.path().display());
    let mut loaded =
        load(&sources(home.path(), overrides, variables)).map_err(|error| error.to_string().replace(&prefix, ""))?;
    for warning in &mut loaded.warnings {
        *warning = warning.replace(&prefix, "");
    }
    assert_eq!(loaded.config.project_doc.home.take().as_deref(), Some(home.path()));
    Ok(loaded)
}

fn loaded(toml: &str, overrides: &[&str], variables: &[(&str, &str)]) -> Loaded {
    outcome(toml, overrides, variables).unwrap()
}

fn config(toml: &str) -> Config {
    loaded(toml, &[], &[]).config
}

fn provider(toml: &str, id: &str, variables: &[(&str, &str)]) -> ProviderInfo {
    loaded(toml, &[], variables).config.provider(id).unwrap().clone()
}

fn defaults() -> Config {
    load(&ConfigSources::default()).unwrap().config
}

#[test]
fn without_any_source_the_defaults_hold() {
    let config = defaults();
    assert_eq!((config.model.as_str(), config.model_provider.as_str()), ("gpt-5", "openai"));
    assert_eq!(config.approval_policy, AskForApproval::OnRequest);
    assert_eq!(config.sandbox_policy, SandboxPolicy::ReadOnly);
    assert_eq!(config.shell_environment_policy, ShellEnvironmentPolicy::default());
    assert_eq!((config.model_reasoning_effort, config.model_verbosity), (None, None));
    assert_eq!(config.model_reasoning_summary, ReasoningSummary::Auto);
    assert_eq!((config.kill_grace_ms, config.approval_timeout_ms), (100, None));
    assert_eq!(config.session_rests_after_ms, 120_000);
    assert!(!config.hide_agent_reasoning && !config.show_raw_agent_reasoning);
    assert!(!config.disable_response_storage);
    assert_eq!(config.providers.keys().collect::<Vec<_>>(), ["litellm", "openai", "oss", "replay"]);
}

#[test]
fn a_missing_home_or_file_is_fine() {
    let home = tempfile::tempdir().unwrap();
    for place in [home.path().to_owned(), home.path().join("absent")] {
        let mut loaded = load(&sources(&place, &[], &[])).unwrap();
        assert_eq!(loaded.config.project_doc.home.take(), Some(place));
        assert_eq!((loaded.config, loaded.warnings), (defaults(), vec![]));
    }
}

#[test]
fn every_key_in_use_is_read() {
    let config = config(
        r#"
        model = "m"
        model_provider = "mine"
        model_reasoning_effort = "high"
        model_reasoning_summary = "none"
        model_verbosity = "low"
        model_context_window = 1000
        model_auto_compact_token_limit = 900
        compact_prompt = "sum up"
        experimental_compact_prompt_file = "sum.md"
        approval_policy = "on-failure"
        sandbox_mode = "workspace-write"
        allow_degraded_sandbox = true
        user_instructions = "u"
        developer_instructions = "d"
        experimental_instructions_file = "prompt.md"
        hide_agent_reasoning = true
        show_raw_agent_reasoning = true
        disable_response_storage = true
        project_doc_max_bytes = 5
        project_doc_fallback_filenames = ["NOTES.md"]
        kill_grace_ms = 7
        session_rests_after_ms = 8
        approval_timeout_ms = 9
        journal_fsync = "item"
        history.persistence = "none"
        forced_login_method = "chatgpt"
        forced_chatgpt_workspace_id = "org"
        cli_auth_credentials_store = "auto"
        chatgpt_base_url = "https://chat.example/"
        [login]
        issuer = "https://id.example/"
        client_id = "client"
        scopes = ["openid"]
        callback_port = 1
        [sandbox_workspace_write]
        writable_roots = ["/a"]
        network_access = true
        exclude_slash_tmp = true
        [shell_environment_policy]
        inherit = "core"
        ignore_default_excludes = true
        exclude = ["A*"]
        set = { B = "b" }
        include_only = ["C?"]
        [model_providers.mine]
        "#,
    );
    let expected = Config {
        model: "m".to_owned(),
        model_provider: "mine".to_owned(),
        providers: config.providers.clone(),
        model_reasoning_effort: Some(ReasoningEffort::High),
        model_reasoning_summary: ReasoningSummary::None,
        model_verbosity: Some(Verbosity::Low),
        model_context_window: Some(1000),
        model_auto_compact_token_limit: Some(900),
        compact_prompt: Some("sum up".to_owned()),
        experimental_compact_prompt_file: Some(PathBuf::from("sum.md")),
        approval_policy: AskForApproval::OnFailure,
        sandbox_policy: SandboxPolicy::WorkspaceWrite {
            writable_roots: vec![PathBuf::from("/a")],
            network_access: true,
            exclude_tmpdir_env_var: false,
            exclude_slash_tmp: true,
        },
        allow_degraded_sandbox: true,
        shell_environment_policy: ShellEnvironmentPolicy {
            inherit: Inherit::Core,
            ignore_default_excludes: true,
            exclude: vec![NamePattern::new("A*")],
            set: BTreeMap::from([("B".to_owned(), "b".to_owned())]),
            include_only: vec![NamePattern::new("C?")],
        },
        user_instructions: Some("u".to_owned()),
        project_doc: ProjectDocOptions { home: None, max_bytes: 5, fallback_names: vec!["NOTES.md".to_owned()] },
        developer_instructions: Some("d".to_owned()),
        experimental_instructions_file: Some(PathBuf::from("prompt.md")),
        hide_agent_reasoning: true,
        show_raw_agent_reasoning: true,
        disable_response_storage: true,
        kill_grace_ms: 7,
        session_rests_after_ms: 8,
        approval_timeout_ms: Some(9),
        journal_fsync: SyncPolicy::Item,
        login: LoginSettings {
            forced_method: Some(ForcedMethod::ChatGpt),
            workspace: Some("org".to_owned()),
            store: CredentialsStore::Auto,
            issuer: "https://id.example".to_owned(),
            client_id: "client".to_owned(),
            scopes: vec!["openid".to_owned()],
            callback_port: 1,
            refresh_token_url: None,
            chatgpt_base_url: "https://chat.example".to_owned(),
        },
        keep_history: false,
    };
    assert_eq!(config, expected);
}

#[test]
fn workspace_settings_count_only_in_workspace_write_mode() {
    let table = "[sandbox_workspace_write]\nnetwork_access = true\n";
    let cases = [
        ("", SandboxPolicy::ReadOnly),
        ("sandbox_mode = 'read-only'", SandboxPolicy::ReadOnly),
        ("sandbox_mode = 'danger-full-access'", SandboxPolicy::DangerFullAccess),
    ];
    for (mode, policy) in cases {
        assert_eq!(config(&format!("{mode}\n{table}")).sandbox_policy, policy);
    }
}

#[test]
fn an_override_wins_over_the_file_and_a_later_one_over_it() {
    let toml = "model = 'file'\n[sandbox_workspace_write]\nexclude_slash_tmp = true";
    let overrides = [
        "model=first",
        "model=\"last\"",
        "sandbox_mode=workspace-write",
        "sandbox_workspace_write.network_access=true",
    ];
    let config = loaded(toml, &overrides, &[]).config;
    assert_eq!(config.model, "last");
    let expected = SandboxPolicy::WorkspaceWrite {
        writable_roots: vec![],
        network_access: true,
        exclude_tmpdir_env_var: false,
        exclude_slash_tmp: true,
    };
    assert_eq!(config.sandbox_policy, expected);
}

#[test]
fn unknown_keys_are_warned_about_by_their_dotted_names() {
    let toml = r#"
        check_for_update_on_startup = false
        [analytics]
        enabled = false
        [model_providers.mock]
        supports_websockets = false
        [model_providers.openai]
        colour = "red"
        [sandbox_workspace_write]
        networkaccess = true
        [shell_environment_policy]
        excludes = []
    "#;
    let keys = [
        "analytics",
        "check_for_update_on_startup",
        "model_providers.mock.supports_websockets",
        "model_providers.openai.colour",
        "sandbox_workspace_write.networkaccess",
        "shell_environment_policy.excludes",
    ];
    let warnings = keys.map(|key| format!("config.toml: unknown key `{key}` is ignored"));
    assert_eq!(loaded(toml, &[], &[]).warnings, warnings);
    assert_eq!(loaded("", &["x.y=1"], &[]).warnings, ["-c x.y: unknown key `x` is ignored"]);
}

#[test]
fn keys_that_others_use_are_no_reason_to_warn() {
    let toml = r#"
        profile = "p"
        notify = ["x"]
        [profiles.p]
        model = "m"
        [mcp_servers.s]
        command = "c"
        [history]
        max_bytes = 1
        [tui]
        [features]
        [otel]
        [projects."/a"]
        trust_level = "trusted"
        [shell_environment_policy]
        experimental_use_profile = true
    "#;
    let loaded = loaded(toml, &[], &[]);
    assert_eq!((loaded.config, loaded.warnings), (defaults(), vec![]));
}

#[test]
fn errors_name_the_place_the_key_and_what_was_expected() {
    let cases = [
        ("model = 5", "config.toml: `model`: invalid type: integer `5`, expected a string"),
        (
            "approval_policy = 'sometimes'",
            "config.toml: `approval_policy`: unknown variant `sometimes`, expected one of \
             `unlessTrusted`, `untrusted`, `on-failure`, `onFailure`, `on-request`, `onRequest`, `never`",
        ),
        (
            "sandbox_mode = 'none'",
            "config.toml: `sandbox_mode`: unknown variant `none`, expected one of \
             `read-only`, `workspace-write`, `danger-full-access`",
        ),
        (
            "[shell_environment_policy]\ninherit = 'some'",
            "config.toml: `shell_environment_policy.inherit`: unknown variant `some`, \
             expected one of `all`, `core`, `none`",
        ),
        (
            "[model_providers.mock]\nwire_api = 'soap'",
            "config.toml: `model_providers.mock.wire_api`: unknown variant `soap`, \
             expected one of `responses`, `chat`, `auto`",
        ),
        (
            "[model_providers.mock]\nstream_max_retries = -1",
            "config.toml: `model_providers.mock.stream_max_retries`: \
             invalid value: integer `-1`, expected u64",
        ),
        (
            "[sandbox_workspace_write]\nwritable_roots = ['here']",
            "config.toml: `sandbox_workspace_write.writable_roots`: \
             expected absolute paths, found `here`",
        ),
        ("model_provider = 'x'", "Model provider `x` not found"),
        ("a = 1\nmodel = 'é' 'x'", "config.toml:2:13: unexpected key or value, expected newline, `#`"),
        ("a = 1\na = 2", "config.toml:2:1: duplicate key"),
    ];
    for (toml, expected) in cases {
        assert_eq!(outcome(toml, &[], &[]).unwrap_err(), expected, "{toml}");
    }
}

#[test]
fn an_error_in_an_override_names_the_override() {
    let cases = [
        ("model=5", "-c model: `model`: invalid type: integer `5`, expected a string"),
        ("model.x=5", "-c model.x: `model`: invalid type: map, expected a string"),
        ("sandbox_mode=x", "-c sandbox_mode: `sandbox_mode`: unknown variant `x`"),
        ("nothing", "-c nothing: expected key=value"),
        ("model_provider=x", "Model provider `x` not found"),
    ];
    for (argument, expected) in cases {
        let error = outcome("", &[argument], &[]).unwrap_err();
        assert!(error.starts_with(expected), "{argument}: {error}");
    }
    let error = outcome("model = 5", &["model_verbosity=low"], &[]).unwrap_err();
    assert!(error.starts_with("config.toml: `model`"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config.toml");
    fs::create_dir(&file).unwrap();
    let error = load(&sources(home.path(), &[], &[])).unwrap_err().to_string();
    assert!(error.starts_with(&format!("failed to read {}: ", file.display())), "{error}");
}

#[test]
fn a_syntax_error_does_not_quote_the_line() {
    let toml = "[model_providers.a]\nexperimental_bearer_token = sk-hunter2";
    let error = outcome(toml, &[], &[]).unwrap_err();
    assert!(error.starts_with("config.toml:2:") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_provider_has_the_documented_defaults() {
    let info = provider("[model_providers.mine]", "mine", &[]);
    assert_eq!(info, ProviderInfo::named("mine"));
    assert_eq!((info.request_max_retries, info.stream_max_retries), (4, 5));
    assert_eq!((info.stream_idle_timeout_ms, info.max_tokens), (300_000, None));
    assert_eq!((info.wire_api, info.store_responses), (WireApi::Responses, false));
    assert_eq!(info.base_url, "https://api.openai.com/v1");
}

#[test]
fn a_provider_names_its_dialect_and_the_longest_answer() {
    for (name, expected) in [("responses", WireApi::Responses), ("chat", WireApi::Chat), ("auto", WireApi::Auto)] {
        let toml = format!("[model_providers.mine]\nwire_api = '{name}'\nmax_tokens = 7");
        let info = provider(&toml, "mine", &[]);
        assert_eq!((info.wire_api, info.max_tokens), (expected, Some(7)));
    }
}

#[test]
fn of_built_ins_only_openai_is_known_to_have_the_responses_api() {
    let wire = |toml: &str, id: &str| provider(toml, id, &[]).wire_api;
    let built_in = ["openai", "litellm", "oss", "replay"].map(|id| wire("", id));
    assert_eq!(built_in, [WireApi::Responses, WireApi::Auto, WireApi::Auto, WireApi::Auto]);
    assert_eq!(wire("[model_providers.oss]\nwire_api = 'responses'", "oss"), WireApi::Responses);
    assert_eq!(wire("[model_providers.oss]\nmax_tokens = 5", "oss"), WireApi::Auto);
}

#[test]
fn base_urls_of_built_ins_follow_the_environment() {
    let cases = [
        ("openai", "LLMX_BASE_URL", "", "https://api.openai.com/v1"),
        ("openai", "LLMX_BASE_URL", " ", "https://api.openai.com/v1"),
        ("openai", "LLMX_BASE_URL", "http://x/v1/", "http://x/v1"),
        ("litellm", "LLMX_BASE_URL", "", "http://localhost:4000/v1"),
        ("litellm", "LLMX_BASE_URL", "http://x/v1", "http://x/v1"),
        ("oss", "LLMX_BASE_URL", "http://x/v1", "http://localhost:11434/v1"),
        ("oss", "LLMX_OSS_PORT", "99", "http://localhost:99/v1"),
        ("oss", "LLMX_OSS_BASE_URL", "http://y/v1", "http://y/v1"),
    ];
    for (id, variable, value, expected) in cases {
        let config = loaded("", &[], &[(variable, value)]).config;
        assert_eq!(config.provider(id).unwrap().base_url, expected, "{id} {variable}={value}");
        assert_eq!(config.model_provider, "openai");
    }
}

#[test]
fn an_entry_changes_a_built_in_field_by_field() {
    let info = provider("[model_providers.litellm]\nrequest_max_retries = 1", "litellm", &[]);
    let untouched = provider("", "litellm", &[]);
    assert_eq!(info, ProviderInfo { request_max_retries: 1, ..untouched });
}

#[test]
fn only_the_openai_server_is_trusted_to_keep_responses() {
    let proxied = "[model_providers.openai]\nbase_url = 'http://proxy'";
    let cases = [
        ("", "openai", "", true),
        ("", "openai", "http://proxy/v1", false),
        ("", "litellm", "", false),
        (proxied, "openai", "", false),
        (&format!("{proxied}\nstore_responses = true"), "openai", "", true),
        ("[model_providers.openai]\nstore_responses = false", "openai", "", false),
        ("[model_providers.mine]", "mine", "", false),
    ];
    for (toml, id, base_url, expected) in cases {
        let info = provider(toml, id, &[("LLMX_BASE_URL", base_url)]);
        assert_eq!(info.store_responses, expected, "{toml} {base_url}");
    }
}

#[test]
fn retries_are_capped() {
    let toml = "[model_providers.mine]\nrequest_max_retries = 101\nstream_max_retries = 0";
    let info = provider(toml, "mine", &[]);
    assert_eq!((info.request_max_retries, info.stream_max_retries), (100, 0));
}

#[test]
fn a_provider_with_a_recording_is_replayed() {
    let info = provider("[model_providers.mine]\nrecording = 'r.jsonl'", "mine", &[]);
    assert!(info.is_replayed());
    assert_eq!(info.recording, Some(PathBuf::from("r.jsonl")));
    assert!(provider("", "replay", &[]).is_replayed());
    assert!(!provider("", "openai", &[]).is_replayed());
}

#[test]
fn the_api_key_is_the_token_or_else_the_variable() {
    let named = "env_key = 'K'";
    let cases = [
        ("", "", Ok(None)),
        (named, "", Err("Missing environment variable: `K`.")),
        (named, " ", Err("Missing environment variable: `K`.")),
        (named, " key\n", Ok(Some("key"))),
        ("env_key = 'K'\nexperimental_bearer_token = 't'", "key", Ok(Some("t"))),
        ("env_key = 'K'\nenv_key_instructions = 'Ask Ann.'", "", Err("Missing environment variable: `K`. Ask Ann.")),
    ];
    for (fields, value, expected) in cases {
        let info = provider(&format!("[model_providers.p]\n{fields}"), "p", &[]);
        let expected = expected.map(|key| key.map(Secret::from)).map_err(str::to_owned);
        assert_eq!(info.api_key(&environment(&[("K", value)])), expected, "{fields} {value}");
    }
}

#[test]
fn a_built_in_says_whether_it_can_do_without_a_key() {
    let none = Environment::default();
    for id in ["litellm", "oss", "replay"] {
        assert_eq!(provider("", id, &[]).api_key(&none), Ok(None), "{id}");
    }
    let missing = "Missing environment variable: `LLMX_API_KEY`.".to_owned();
    assert_eq!(provider("", "openai", &[]).api_key(&none), Err(missing));
    let named = provider("[model_providers.litellm]\nenv_key = 'MINE'", "litellm", &[]);
    let missing = "Missing environment variable: `MINE`.".to_owned();
    assert_eq!(named.api_key(&none), Err(missing));
}

#[test]
fn headers_come_from_the_record_and_from_the_environment() {
    let toml = "[model_providers.p]\nhttp_headers = { A = '1' }\n\
                env_http_headers = { B = 'VB', C = 'VC', D = 'VD' }";
    let headers = provider(toml, "p", &[]).headers(&environment(&[("VB", "2"), ("VC", " ")]));
    assert_eq!(headers, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
}

#[test]
fn urls_join_the_base_the_path_and_the_query() {
    let cases = [
        ("base_url = 'http://x/v1'", "http://x/v1/responses"),
        ("base_url = 'http://x/v1/'", "http://x/v1/responses"),
        (
            "base_url = 'http://x'\nquery_params = { b = 'a c&d', api-version = '1' }",
            "http://x/responses?api-version=1&b=a%20c%26d",
        ),
    ];
    for (toml, expected) in cases {
        let info = provider(&format!("[model_providers.p]\n{toml}"), "p", &[]);
        assert_eq!([info.url("responses"), info.url("/responses")], [expected; 2]);
    }
}

#[test]
fn a_provider_is_read_from_json_with_the_same_names_and_defaults() {
    let record = json!({"name": "N", "base_url": "http://x/", "env_key": null, "wire_api": "chat",
                        "later": 1, "stream_max_retries": 500});
    let info: ProviderInfo = serde_json::from_value(record).unwrap();
    let expected = ProviderInfo {
        base_url: "http://x".to_owned(),
        wire_api: WireApi::Chat,
        stream_max_retries: 100,
        ..ProviderInfo::named("N")
    };
    assert_eq!(info, expected);
    let empty: ProviderInfo = serde_json::from_value(json!({})).unwrap();
    assert_eq!(empty, ProviderInfo::named("custom"));
}

#[test]
fn nothing_secret_is_printed() {
    let toml = "[model_providers.p]\nexperimental_bearer_token = 'hunter2'\n\
                http_headers = { X = 'hunter2' }";
    let environment = environment(&[("LLMX_API_KEY", "hunter2")]);
    let printed = format!("{:?} {environment:?}", loaded(toml, &[], &[]));
    assert!(printed.contains("***") && printed.contains("LLMX_API_KEY"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_home_is_the_chosen_one_or_below_the_users() {
    let cases = [("/l", "/h", Some("/l")), (" ", "/h", Some("/h/.llmx")), ("", "/h", Some("/h/.llmx")), ("", "", None)];
    for (chosen, users, expected) in cases {
        let environment = environment(&[("LLMX_HOME", chosen), ("HOME", users)]);
        assert_eq!(home_directory(&environment), expected.map(PathBuf::from));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_url_carries_any_query_unharmed(params in prop::collection::btree_map(".+", ".*", 1..4)) {
        let record = json!({"base_url": "http://x/v1", "query_params": params});
        let info: ProviderInfo = serde_json::from_value(record).unwrap();
        let url = reqwest::Url::parse(&info.url("responses")).unwrap();
        let carried: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(carried, params);
    }

    #[test]
    fn any_file_and_any_override_give_a_config_or_a_sentence(toml in ".{0,80}", argument in ".{0,40}") {
        match outcome(&toml, &[&argument], &[]) {
            Ok(loaded) => prop_assert!(loaded.config.provider(&loaded.config.model_provider).is_ok()),
            Err(sentence) => prop_assert!(!sentence.is_empty()),
        }
    }
}
