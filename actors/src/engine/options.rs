//! What an engine is made of.

use super::Placement;
use crate::{
    auth::{Account, Accounts, ConfiguredKeys, account_of},
    config::{Config, Environment, OPENAI_BASE_URL, ProviderInfo, WireApi, home_directory},
    executor::{HelperRunner, Recovery, Runner, process, sandbox::Probe},
    journal::{FileThreads, Redaction},
    local_files::FileSystem,
    message_history::MessageHistory,
    model_stream::{Credentials, HttpTransport, ReplayingTransport, Transport},
    replay::Recordings,
    threads::{NoThreads, SyncPolicy, ThreadOrigin, ThreadStore},
};
use llmx_protocol::{
    ids::SessionId,
    local_files::TextFiles,
    machine::settings::{Confining, Defaults, ReasoningShown},
    model::provider::{Provider, Providers},
    wire::rollout::SessionSource,
};
use serde_json::Value;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Makes the way to the models, once for each arbiter.
pub type TransportFactory = Arc<dyn Fn() -> Arc<dyn Transport> + Send + Sync>;

/// What models may have under way in a session, in bytes of their answers.
const MODEL_WINDOW: u32 = 512 * 1024;
/// What commands may have under way in a session, in bytes of their output.
const OUTPUT_WINDOW: u32 = 512 * 1024;

/// What an engine is made of. Everything from outside comes through here: no global is read.
#[derive(Clone)]
pub struct EngineOptions {
    /// What sessions start from.
    pub defaults: Arc<Defaults>,
    /// The way to the models.
    pub transports: TransportFactory,
    /// Who is logged in; run by the engine.
    pub accounts: Accounts,
    /// How commands are run.
    pub runner: Arc<dyn Runner>,
    /// Where threads are kept.
    pub threads: Arc<dyn ThreadStore>,
    /// Who starts them.
    pub origin: ThreadOrigin,
    /// What the user typed, in all sessions; without it nothing is remembered.
    pub history: Option<Arc<MessageHistory>>,
    /// How long a session may have nothing to do before it rests in its journal; for ever without it.
    pub rests_after: Option<Duration>,
    /// When their journals are made to survive a power cut.
    pub sync: SyncPolicy,
    /// Where sessions run.
    pub placement: Placement,
    /// What models may have under way in a session, in bytes.
    pub model_window: u32,
    /// What commands may have under way in a session, in bytes.
    pub output_window: u32,
    /// Where tests look at the engine's actors and make them crash.
    #[cfg(feature = "testkit")]
    pub harness: crate::testkit::Harness,
    /// What providers record goes here; see [`Recordings::flush`].
    pub recordings: Recordings,
}

impl EngineOptions {
    /// Over HTTP and with real commands, as `config` says. `environment`: the process's variables, from which keys
    /// are read and, by policy, what commands see. `notices`: what every session's UI should be told of the configuration.
    #[must_use]
    pub fn configured(
        config: Config,
        notices: Vec<String>,
        environment: Vec<(OsString, OsString)>,
        helper: process::HelperPath,
    ) -> Self {
        let variables = Environment::from_os(environment.clone());
        let user_home = environment.iter().find(|(name, _)| name == "HOME").map(|(_, home)| home.into());
        let llmx_home = home_directory(&variables);
        let config = Arc::new(config);
        let threads = kept_threads(&config, llmx_home.as_deref(), &variables);
        let history = llmx_home.as_deref().map(|home| Arc::new(MessageHistory::new(home, config.keep_history)));
        let confining = Arc::new(Probe::new(helper.clone(), config.allow_degraded_sandbox));
        let seen = process::child_environment(&commands_policy(&config), environment.iter().cloned());
        let accounts = Accounts::new(Arc::new(config.login.clone()), llmx_home.as_deref());
        let providers = Arc::new(ConfiguredProviders {
            config: config.clone(),
            environment: variables.clone(),
            home: llmx_home.clone(),
        });
        let keys = ConfiguredKeys::new(accounts.clone(), environment, helper.clone());
        let credentials = Credentials { keys: Arc::new(keys), config: config.clone(), environment: variables };
        let recordings = Recordings::default();
        let transport = HttpTransport::new(credentials, recordings.clone());
        Self {
            recordings,
            accounts,
            defaults: Arc::new(defaults(&config, notices, providers, confining.clone())),
            transports: Arc::new(move || Arc::new(ReplayingTransport::new(transport.for_another_arbiter()))),
            runner: Arc::new(HelperRunner {
                environment: Arc::new(seen),
                helper,
                confining,
                llmx_home,
                user_home,
                recovery: Recovery::default(),
            }),
            threads,
            history,
            rests_after: Some(Duration::from_millis(config.session_rests_after_ms)).filter(|after| !after.is_zero()),
            origin: ThreadOrigin { originator: "llmx".into(), source: SessionSource::Cli },
            sync: config.journal_fsync,
            placement: Placement::Spread(std::thread::available_parallelism().map_or(1, usize::from)),
            model_window: MODEL_WINDOW,
            output_window: OUTPUT_WINDOW,
            #[cfg(feature = "testkit")]
            harness: crate::testkit::Harness::default(),
        }
    }
}

/// In the home directory; without one nothing is kept.
fn kept_threads(config: &Config, home: Option<&Path>, environment: &Environment) -> Arc<dyn ThreadStore> {
    let Some(home) = home else {
        return Arc::new(NoThreads);
    };
    let redaction = Redaction::of(config.providers.values().flat_map(|provider| provider.secrets(environment)));
    Arc::new(FileThreads::new(home, config.model_provider.clone(), config.journal_fsync, redaction))
}

/// What commands see of the environment: the user's policy, but whatever that says, not the providers' keys.
#[must_use]
pub fn commands_policy(config: &Config) -> process::ShellEnvironmentPolicy {
    let mut policy = config.shell_environment_policy.clone();
    let keys = config.providers.values().flat_map(ProviderInfo::secret_variables);
    policy.exclude.extend(keys.map(process::NamePattern::new));
    policy
}

impl EngineOptions {
    /// `work`, whose actors tests see as those of `session`.
    #[cfg(feature = "testkit")]
    pub(super) fn observed<W: Future<Output = ()>>(
        &self,
        session: &SessionId,
        work: W,
    ) -> impl Future<Output = ()> + use<W> {
        self.harness.observe(session, work)
    }

    #[cfg(not(feature = "testkit"))]
    pub(super) fn observed<W>(&self, _: &SessionId, work: W) -> W {
        work
    }
}

fn defaults(
    config: &Config,
    notices: Vec<String>,
    providers: Arc<dyn Providers>,
    confining: Arc<dyn Confining>,
) -> Defaults {
    Defaults {
        notices,
        model: config.model.clone(),
        model_provider: config.model_provider.clone(),
        providers,
        approval_policy: config.approval_policy,
        sandbox_policy: config.sandbox_policy.clone(),
        effort: config.model_reasoning_effort,
        summary: Some(config.model_reasoning_summary),
        verbosity: config.model_verbosity,
        context_window: config.model_context_window,
        auto_compact_limit: config.model_auto_compact_token_limit,
        compact_prompt: config.compact_prompt.clone(),
        user_instructions: config.user_instructions.clone(),
        developer_instructions: config.developer_instructions.clone(),
        base_instructions: None,
        disable_response_storage: config.disable_response_storage,
        reasoning_shown: ReasoningShown {
            hide_summaries: config.hide_agent_reasoning,
            show_raw: config.show_raw_agent_reasoning,
        },
        kill_grace: Duration::from_millis(config.kill_grace_ms),
        approval_timeout: config.approval_timeout_ms.map(Duration::from_millis),
        project_doc: config.project_doc.clone(),
        text_files: TextFiles {
            base_instructions: config.experimental_instructions_file.clone(),
            compact_prompt: config.experimental_compact_prompt_file.clone(),
        },
        files: Arc::new(FileSystem),
        confining,
    }
}

/// The providers of a configuration, as the rules see them.
#[derive(Debug)]
pub struct ConfiguredProviders {
    /// Where they are described.
    pub config: Arc<Config>,
    /// The variables that may hold their keys.
    pub environment: Environment,
    /// Where it is kept who is logged in.
    pub home: Option<PathBuf>,
}

impl ConfiguredProviders {
    /// ChatGPT's own API, to which an account leads instead of OpenAI's public one, keeps no responses.
    fn is_asked_by_an_account(&self, info: &ProviderInfo) -> bool {
        let has_no_key = || !matches!(info.api_key(&self.environment), Ok(Some(_)));
        info.requires_openai_auth
            && info.base_url == OPENAI_BASE_URL
            && has_no_key()
            && matches!(self.home.as_deref().map(account_of), Some(Ok(Some(Account::ChatGpt { .. }))))
    }
}

impl Providers for ConfiguredProviders {
    fn by_id(&self, id: &str, overrides: Option<&Value>) -> Result<Provider, String> {
        let info = self.config.provider_with(id, overrides)?;
        let found = provider(id, None, &info);
        let stores_responses = found.stores_responses && !self.is_asked_by_an_account(&info);
        Ok(Provider { stores_responses, overrides: overrides.cloned().map(Arc::new), ..found })
    }

    fn by_record(&self, record: &Value) -> Result<Provider, String> {
        let info: ProviderInfo = serde_json::from_value(record.clone()).map_err(|e| e.to_string())?;
        Ok(provider("", Some(Arc::new(record.clone())), &info))
    }
}

fn provider(id: &str, record: Option<Arc<Value>>, info: &ProviderInfo) -> Provider {
    let tries = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Provider {
        id: id.to_owned(),
        record,
        overrides: None,
        request_max_retries: tries(info.request_max_retries),
        stream_max_retries: tries(info.stream_max_retries),
        // Chat Completions has nothing to name a stored answer by.
        stores_responses: info.store_responses && info.wire_api != WireApi::Chat,
        takes_freeform_tools: info.wire_api != WireApi::Chat,
    }
}
