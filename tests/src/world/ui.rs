use super::{
    Event, PATIENCE, Workspace,
    processes::{self, Memory, Process},
};
use crate::invariants::{self, Invariant};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{collections::VecDeque, fs, mem, path::Path};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};

/// Of a long session, this many lines are shown when a test fails.
const SHOWN: usize = 200;
/// Of a long line, this many characters.
const SHOWN_OF_A_LINE: usize = 500;

/// What an llmx that died leaves.
pub struct Remains {
    /// Where its session worked.
    pub workspace: Workspace,
    pub(super) home: TempDir,
}

impl Remains {
    /// Whether it left anything to be recovered.
    #[must_use]
    pub fn hold_a_journal(&self) -> bool {
        fs::read_dir(self.home.path().join("patches")).is_ok_and(|mut journals| journals.next().is_some())
    }
}

/// A UI that drives one `llmx proto`. It reads only when it is asked for an event, and holds every event that it reads
/// to the invariants.
pub struct Ui {
    /// Where the session works.
    pub workspace: Workspace,
    child: Child,
    input: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    home: TempDir,
    mark: String,
    invariants: Vec<Box<dyn Invariant>>,
    transcript: VecDeque<String>,
}

impl Ui {
    pub(super) fn of(mut child: Child, home: TempDir, workspace: Workspace, mark: String) -> Self {
        Self {
            workspace,
            input: child.stdin.take(),
            output: child.stdout.take().map(BufReader::new),
            child,
            partial: Vec::new(),
            home,
            mark,
            invariants: invariants::all(),
            transcript: VecDeque::new(),
        }
    }

    /// Submits an op under an id.
    pub async fn send(&mut self, id: &str, op: Value) {
        self.send_line(&json!({"id": id, "op": op}).to_string()).await;
    }

    /// Sends a line.
    pub async fn send_line(&mut self, line: &str) {
        self.note(format!("→ {line}"));
        self.send_raw(format!("{line}\n").as_bytes()).await;
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("input is open");
        let sent = timeout(PATIENCE, async {
            input.write_all(bytes).await?;
            input.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {}
            failed => self.fail(&format!("llmx takes no input: {failed:?}")),
        }
    }

    /// Submits `configure_session` as `c1`, with the workspace as `cwd`, and waits for the session.
    pub async fn configure(&mut self, further: Value) -> Event {
        let mut op = further;
        op["type"] = json!("configure_session");
        op["cwd"] = json!(self.workspace.path());
        self.send("c1", op).await;
        let event = self.next().await;
        assert_eq!((event.kind(), event.id.as_str()), ("session_configured", "c1"), "{}", self.story());
        event
    }

    /// Submits user input.
    pub async fn say(&mut self, id: &str, text: &str) {
        self.send(id, user_input(text)).await;
    }

    /// Submits an interrupt.
    pub async fn interrupt(&mut self) {
        self.send("interrupt", json!({"type": "interrupt"})).await;
    }

    /// Answers the oldest open question of a task about a patch.
    pub async fn decide_patch(&mut self, task: &str, decision: &str) {
        let op = json!({"type": "patch_approval", "id": task, "decision": decision});
        self.send(&format!("{decision} patch of {task}"), op).await;
    }

    /// Answers the oldest open question of a task about a command.
    pub async fn decide(&mut self, task: &str, decision: &str) {
        let op = json!({"type": "exec_approval", "id": task, "decision": decision});
        self.send(&format!("{decision} {task}"), op).await;
    }

    /// The next event.
    ///
    /// # Panics
    /// If none comes, or it breaks an invariant.
    pub async fn next(&mut self) -> Event {
        match self.next_or_end().await {
            Some(event) => event,
            None => self.fail("standard output ended"),
        }
    }

    /// The next event, or nothing at the end of standard output.
    ///
    /// # Panics
    /// If neither comes, or the event breaks an invariant.
    pub async fn next_or_end(&mut self) -> Option<Event> {
        let output = self.output.as_mut().expect("output is open");
        let read = timeout(PATIENCE, output.read_until(b'\n', &mut self.partial)).await;
        match read {
            Ok(Ok(_)) if self.partial.is_empty() => return None,
            Ok(Ok(_)) => {}
            failed => self.fail(&format!("no event came: {failed:?}")),
        }
        let line = mem::take(&mut self.partial);
        if line.last() != Some(&b'\n') {
            self.fail(&format!("the last line has no end: {}", String::from_utf8_lossy(&line)));
        }
        let line = String::from_utf8(line).unwrap_or_else(|e| self.fail(&format!("a line is not UTF-8: {e}")));
        self.note(format!("← {}", line.trim_end()));
        let event = Event::parse(&line);
        for invariant in &mut self.invariants {
            if let Err(broken) = invariant.observe(&event) {
                self.fail(&format!("broken: {broken}"));
            }
        }
        Some(event)
    }

    /// Reads up to the next event of this type and gives it back.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn until(&mut self, kind: &str) -> Event {
        self.note(format!("… until {kind}"));
        loop {
            let event = self.next().await;
            if event.kind() == kind {
                return event;
            }
        }
    }

    /// Reads up to the terminal event of this task and gives everything back.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn until_the_end_of(&mut self, task: &str) -> Vec<Event> {
        self.note(format!("… until the end of {task}"));
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            let over = event.ends_a_task() && event.id == task;
            events.push(event);
            if over {
                return events;
            }
        }
    }

    /// Says `text` under `id` and gives back everything up to the task's terminal event.
    pub async fn task(&mut self, id: &str, text: &str) -> Vec<Event> {
        self.say(id, text).await;
        self.until_the_end_of(id).await
    }

    /// Ends the input and gives back everything that still comes; llmx must then leave with this code.
    ///
    /// # Panics
    /// If it does not.
    pub async fn ends_with(mut self, code: i32) -> Vec<Event> {
        self.close_input();
        let events = self.rest().await;
        assert_eq!(self.exit_code().await, code, "exit code; {}", self.story());
        events
    }

    /// Everything that still comes until standard output ends.
    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next_or_end().await {
            events.push(event);
        }
        events
    }

    /// Ends the input.
    pub fn close_input(&mut self) {
        self.note("→ (end of input)".to_owned());
        self.input = None;
    }

    /// Goes away from standard output.
    pub fn close_output(&mut self) {
        self.note("← (closed by the UI)".to_owned());
        self.output = None;
    }

    /// Waits until llmx has left and gives back its exit code.
    ///
    /// # Panics
    /// If it stays, or was ended by a signal.
    pub async fn exit_code(&mut self) -> i32 {
        match timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) => status.code().unwrap_or_else(|| self.fail(&format!("ended by a signal: {status}"))),
            failed => self.fail(&format!("llmx does not leave: {failed:?}")),
        }
    }

    /// Sends llmx itself a signal.
    ///
    /// # Panics
    /// If it has left already.
    pub fn signal(&mut self, signal: Signal) {
        self.note(format!("→ ({signal:?})"));
        let pid = Pid::from_raw(self.pid()).expect("a process number is not zero");
        kill_process(pid, signal).expect("llmx lives");
    }

    /// llmx dies of SIGKILL, now; what it leaves.
    ///
    /// # Panics
    /// If it has left already.
    pub async fn dies(mut self) -> Remains {
        self.signal(Signal::KILL);
        let _ = timeout(PATIENCE, self.child.wait()).await;
        Remains { home: self.home, workspace: self.workspace }
    }

    /// llmx's process number.
    ///
    /// # Panics
    /// If it has left already.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().expect("llmx lives").try_into().expect("process numbers are small")
    }

    /// llmx's home.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What llmx's memory is.
    #[must_use]
    pub fn memory(&self) -> Memory {
        processes::memory(self.pid())
    }

    /// Every living process of this world but llmx itself.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let llmx = self.child.id().and_then(|pid| pid.try_into().ok());
        processes::marked(&self.mark).into_iter().filter(|p| Some(p.pid) != llmx).collect()
    }

    /// A look at the processes of this world that does not need the UI.
    pub fn look(&self) -> impl Fn() -> Vec<Process> + use<> {
        let (mark, llmx) = (self.mark.clone(), self.pid());
        move || processes::marked(&mark).into_iter().filter(|p| p.pid != llmx).collect()
    }

    /// Fails unless no process of this world but llmx itself lives, now.
    ///
    /// # Panics
    /// If one does.
    pub fn assert_no_process_lives(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "still there: {left:#?}\n{}", self.story());
    }

    /// What llmx wrote on standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.home.path().join("stderr")).unwrap_or_default()
    }

    /// What happened so far, for the message of a test that fails.
    #[must_use]
    pub fn story(&self) -> String {
        let lines: Vec<_> = self.transcript.iter().map(String::as_str).collect();
        format!("so far:\n{}\nstandard error:\n{}", lines.join("\n"), self.stderr())
    }

    fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.story())
    }

    fn note(&mut self, line: String) {
        if self.transcript.len() == SHOWN {
            self.transcript.pop_front();
        }
        let shown = line.char_indices().nth(SHOWN_OF_A_LINE).map(|(at, _)| format!("{}…", &line[..at]));
        self.transcript.push_back(shown.unwrap_or(line));
    }
}

/// The op of user input.
#[must_use]
pub fn user_input(text: &str) -> Value {
    json!({"type": "user_input", "items": [{"type": "text", "text": text}]})
}
