//! One `llmx proto` after the other in the same home.

use llmx_tests::world::{Event, ModelServer, llmx_binary, processes::MARK};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};
use tempfile::TempDir;

pub(super) struct Home(pub(super) TempDir);

impl Home {
    pub(super) fn new(model: &ModelServer) -> Self {
        let home = TempDir::with_prefix("llmx-home-").unwrap();
        let config = format!(
            "model = 'scripted'\nmodel_provider = 'scripted'\napproval_policy = 'never'\nsandbox_mode = 'danger-full-access'\n\
             [model_providers.scripted]\nbase_url = '{}'\nenv_key = 'SCRIPTED_KEY'\n",
            model.url()
        );
        fs::write(home.path().join("config.toml"), config).unwrap();
        Self(home)
    }

    /// The one journal, if there is one.
    pub(super) fn journal(&self) -> Option<PathBuf> {
        let mut open = vec![self.0.path().join("sessions")];
        while let Some(directory) = open.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => open.push(path),
                    path if path.extension().is_some_and(|e| e == "jsonl") => return Some(path),
                    _ => {}
                }
            }
        }
        None
    }

    pub(super) fn run(&self, mark: &str) -> Run {
        self.run_with(mark, &[])
    }

    /// With this library loaded before all others.
    pub(super) fn run_under(&self, mark: &str, library: &Path) -> Run {
        self.run_with(mark, &[("LD_PRELOAD", library)])
    }

    fn run_with(&self, mark: &str, environment: &[(&str, &Path)]) -> Run {
        let mut command = Command::new(llmx_binary());
        command.arg("proto").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.env("LLMX_HOME", self.0.path()).env("SCRIPTED_KEY", "sk-very-secret-key").env(MARK, mark);
        command.envs(environment.iter().copied());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Run { child, input, output, read: Vec::new() }
    }
}

pub(super) struct Run {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Everything that was read.
    pub(super) read: Vec<Event>,
}

impl Run {
    pub(super) fn send(&mut self, id: &str, op: &Value) {
        let line = format!("{}\n", json!({"id": id, "op": op}));
        self.input.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    pub(super) fn configure(&mut self, resume: Option<&Path>) {
        let mut op = json!({"type": "configure_session", "cwd": "/tmp"});
        if let Some(path) = resume {
            op["resume_path"] = json!(path);
        }
        self.send("configure", &op);
    }

    pub(super) fn say(&mut self, id: &str, text: &str) {
        self.send(id, &json!({"type": "user_input", "items": [{"type": "text", "text": text}]}));
    }

    pub(super) fn next(&mut self) -> Option<Event> {
        let mut line = String::new();
        // A line that breaks off was never handed over.
        let whole = self.output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n');
        let event = whole.then(|| Event::parse(&line))?;
        self.read.push(event.clone());
        Some(event)
    }

    pub(super) fn until(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("no {kind} in {:#?}", self.read));
            if event.kind() == kind {
                return event;
            }
        }
    }

    /// Ends it at once, and reads what it had handed over.
    pub(super) fn kill(mut self) -> Vec<Event> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.next().is_some() {}
        self.read
    }

    /// Ends the input and waits until it has left.
    pub(super) fn leave(mut self) -> Vec<Event> {
        self.input = None;
        while self.next().is_some() {}
        assert!(self.child.wait().unwrap().success());
        self.read
    }
}

/// The events of a journal: number, submission, message.
pub(super) fn journalled(path: &Path) -> Vec<(u64, String, Value)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = lines.filter(|line| line["type"] == "event_msg");
    events.map(|l| (l["seq"].as_u64().unwrap(), l["id"].as_str().unwrap().to_owned(), l["payload"].clone())).collect()
}

/// What was read, as its journal has it.
pub(super) fn to_be_journalled(read: &[Event]) -> Vec<(u64, String, Value)> {
    let whole =
        read.iter().filter(|event| !event.kind().ends_with("_delta") && !event.kind().ends_with("section_break"));
    let without_messages = |event: &Event| {
        let mut msg = event.msg.clone();
        msg.as_object_mut().unwrap().remove("initial_messages");
        (event.seq, event.id.clone(), msg)
    };
    whole.map(without_messages).collect()
}
