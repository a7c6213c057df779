use super::{Client, ModelServer, Remains, Server, Ui, Workspace, llmx_binary, processes::MARK};
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{self, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What llmx is started with. Unless a test says otherwise: nobody is asked, nothing is confined, and lost
/// requests are tried again a few times.
pub struct Setup {
    settings: BTreeMap<String, String>,
    provider: BTreeMap<String, String>,
    tables: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    workspace: Workspace,
    /// Of an llmx before this one.
    home: Option<TempDir>,
}

impl Setup {
    /// A session with this model.
    #[must_use]
    pub fn with(server: &ModelServer) -> Self {
        Self::with_model_at(&server.url())
    }

    /// A session whose model is, or is not, at this URL.
    #[must_use]
    pub fn with_model_at(url: &str) -> Self {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), format!("'{v}'"))).collect();
        Self {
            settings: pairs(&[
                ("model", "scripted"),
                ("model_provider", "scripted"),
                ("approval_policy", "never"),
                ("sandbox_mode", "danger-full-access"),
            ]),
            provider: pairs(&[("name", "Scripted"), ("base_url", url)]),
            tables: String::new(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            files: BTreeMap::new(),
            workspace: Workspace::empty(),
            home: None,
        }
    }

    /// A line of `config.toml`; `value` is TOML.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A line of the provider's table; `value` is TOML.
    #[must_use]
    pub fn provider(mut self, key: &str, value: &str) -> Self {
        self.provider.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Further tables of `config.toml`.
    #[must_use]
    pub fn tables(mut self, toml: &str) -> Self {
        self.tables.push_str(toml);
        self
    }

    /// Arguments after the subcommand.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A variable of the engine's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A file in the home, for its owner alone.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Where the session works.
    #[must_use]
    pub fn workspace(mut self, workspace: Workspace) -> Self {
        self.workspace = workspace;
        self
    }

    /// Where another llmx worked and kept what it remembers, until it died or left.
    #[must_use]
    pub fn in_place_of(mut self, dead: Remains) -> Self {
        self.workspace = dead.workspace;
        self.home = Some(dead.home);
        self
    }

    /// Starts `llmx proto` and says nothing to it yet.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Ui {
        let (child, home, mark) = self.spawn("proto");
        Ui::of(child, home, self.workspace, mark)
    }

    /// Starts `llmx app-server` and says nothing to it yet.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn serve(mut self) -> Client {
        let (child, home, mark) = self.spawn("app-server");
        Client::of(child, home, self.workspace, mark)
    }

    /// Starts `llmx app-server` or `llmx proto` where clients connect, and waits until they can.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn listen(self, subcommand: &str, url: &str) -> Server {
        let mut setup = self.arguments(&["--listen", url]);
        let (child, home, mark) = setup.spawn(subcommand);
        Server::ready(child, home, mark).await
    }

    fn spawn(&mut self, subcommand: &str) -> (Child, TempDir, String) {
        let new_home = || TempDir::with_prefix("llmx-home-").expect("a temporary directory can be made");
        let home = self.home.take().unwrap_or_else(new_home);
        fs::write(home.path().join("config.toml"), self.toml()).expect("files can be written");
        for (name, text) in &self.files {
            let path = home.path().join(name);
            fs::write(&path, text).expect("files can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("modes can be set");
        }
        let mark = unique_mark();
        let mut command = self.command(subcommand, home.path(), &mark);
        #[expect(
            clippy::disallowed_methods,
            reason = "this starts llmx itself; whether it cleans up is what is judged"
        )]
        let child = command.spawn().expect("llmx starts");
        (child, home, mark)
    }

    /// Starts `llmx proto` and waits until the session is configured, with nothing but its directory.
    pub async fn configured(self) -> Ui {
        let mut ui = self.start();
        ui.configure(serde_json::json!({})).await;
        ui
    }

    fn command(&self, subcommand: &str, home: &Path, mark: &str) -> Command {
        let stderr = fs::File::create(home.join("stderr")).expect("files can be made");
        let mut command = Command::new(llmx_binary());
        command.arg(subcommand).args(&self.arguments).current_dir(home);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).kill_on_drop(true);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).env("LLMX_HOME", home).env(MARK, mark).envs(&self.environment);
        command
    }

    fn toml(&self) -> String {
        let mut toml = String::new();
        for (key, value) in &self.settings {
            let _ = writeln!(toml, "{key} = {value}");
        }
        toml.push_str("[model_providers.scripted]\n");
        for (key, value) in &self.provider {
            let _ = writeln!(toml, "{key} = {value}");
        }
        toml + &self.tables
    }
}

fn unique_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}.{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
