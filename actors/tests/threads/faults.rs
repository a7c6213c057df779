//! A disk that fails: nothing is published that is not written but the errors that say so, nothing is corrupt, and when
//! there is space again everything goes on.

use crate::home::{Home, kept};
use llmx_actors::{
    journal::FileThreads,
    testkit::{Answer, Ui, World, in_real_time},
    threads::{
        Journal, Lease, NewThread, Opened, Page, StoredThread, SyncLater, SyncPolicy, ThreadError, ThreadQuery,
        ThreadRef, ThreadStore,
    },
};
use llmx_protocol::{
    ids::{ResponseId, SessionId},
    machine::settings::Defaults,
    wire::event::{Event, EventMsg},
};
use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// After so many good writes the disk fails, until it is told otherwise.
#[derive(Clone, Debug)]
struct Disk {
    good: Arc<AtomicUsize>,
    /// The error that it then gives.
    code: i32,
    /// Whether it can make files survive a power cut.
    durable: bool,
}

#[derive(Debug)]
struct FaultyThreads(FileThreads, Disk);

struct FaultyJournal(Box<dyn Journal>, Disk);

impl Journal for FaultyJournal {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let is_good = self.1.good.try_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if is_good { self.0.append(lines) } else { Err(io::Error::from_raw_os_error(self.1.code)) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn sync_later(&self) -> Option<SyncLater> {
        let code = self.1.code;
        (!self.1.durable).then(|| Box::new(move || Err(io::Error::from_raw_os_error(code))) as SyncLater)
    }

    fn blocks(&self) -> bool {
        true
    }

    fn path(&self) -> Option<PathBuf> {
        self.0.path()
    }

    fn lease(&self) -> &dyn Lease {
        self.0.lease()
    }
}

impl ThreadStore for FaultyThreads {
    fn create(&self, thread: &NewThread) -> Option<Box<dyn Journal>> {
        Some(Box::new(FaultyJournal(self.0.create(thread)?, self.1.clone())))
    }

    fn open(&self, thread: &ThreadRef, defaults: &Defaults) -> Result<Opened, ThreadError> {
        self.0.open(thread, defaults)
    }

    fn fork(&self, t: &ThreadRef, at: Option<&ResponseId>, f: &NewThread, d: &Defaults) -> Result<Opened, ThreadError> {
        self.0.fork(t, at, f, d)
    }

    fn identify(&self, thread: &ThreadRef) -> Result<SessionId, ThreadError> {
        self.0.identify(thread)
    }

    fn read(&self, thread: &ThreadRef) -> Result<StoredThread, ThreadError> {
        self.0.read(thread)
    }

    fn list(&self, query: &ThreadQuery) -> Result<Page, ThreadError> {
        self.0.list(query)
    }

    fn archive(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        self.0.archive(thread)
    }

    fn unarchive(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        self.0.unarchive(thread)
    }

    fn delete(&self, thread: &ThreadRef) -> Result<(), ThreadError> {
        self.0.delete(thread)
    }

    fn rename(&self, thread: &ThreadRef, name: &str) -> Result<(), ThreadError> {
        self.0.rename(thread, name)
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn says_why(msg: &EventMsg) -> bool {
    matches!(msg, EventMsg::Error { message } if message.starts_with("the thread cannot be written: "))
}

async fn configure(ui: &mut Ui) -> bool {
    ui.submit("configure", serde_json::json!({"type": "configure_session", "cwd": "/work-tree"})).await;
    let event = ui.until("an answer", |msg| matches!(msg, EventMsg::SessionConfigured(_)) || says_why(msg)).await;
    !says_why(&event.msg)
}

/// The disk fails after so many writes, and works again later.
async fn the_disk_fails(good: usize, code: i32) {
    let home = Home::new();
    let disk = Disk { good: Arc::new(AtomicUsize::new(good)), code, durable: true };
    let store: Arc<dyn ThreadStore> = Arc::new(FaultyThreads(home.store(), disk.clone()));
    let world = World::with(&[], |options| options.threads = store);
    let mut ui = world.open().await;
    if !configure(&mut ui).await {
        disk.good.store(usize::MAX, Ordering::SeqCst);
        assert!(configure(&mut ui).await);
        disk.good.store(1, Ordering::SeqCst);
    }
    for task in 0.. {
        world.model.answers_to(
            &ui.session.id,
            [Answer::new().says("I look").calls("c", &["work"]).completes(), Answer::new().says("well").completes()],
        );
        ui.say(&format!("u{task}"), &format!("question {task}")).await;
        let end = ui.until_terminal(&format!("u{task}")).await;
        world.model.forget_scripts();
        if says_why(&end) {
            break;
        }
        assert!(task < 50, "the disk never failed");
    }
    ui.say("still", "question still").await;
    assert!(says_why(&ui.until_terminal("still").await), "{}", ui.transcript());
    disk.good.store(usize::MAX, Ordering::SeqCst);
    ui.say("again", "question again").await;
    assert!(matches!(ui.until_terminal("again").await, EventMsg::TaskComplete { .. }), "{}", ui.transcript());
    let request = world.model.requests().last().unwrap().body.to_string();
    assert!(request.contains("question 0") && request.contains("question still"), "{request}");
    ui.session.leave().await.unwrap();
    ui.until_closed().await;
    let seen = kept(ui.seen.iter().map(|seen| seen.event.clone()));
    let path = home.journals().remove(0);
    let thread = home.store().read(&ThreadRef::Path(path)).unwrap();
    let since = |events: &[Event]| events.iter().filter(|e| e.seq >= thread.events[0].seq).cloned().collect::<Vec<_>>();
    assert_eq!(thread.events, since(&seen), "fault after {good} writes");
    assert!(thread.damage.is_empty(), "{:?}", thread.damage);
    assert_eq!(ui.seen.iter().map(|s| s.event.seq).collect::<Vec<_>>(), (1..=ui.seen.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_ends_the_task_and_not_the_session() {
    in_real_time(async {
        for good in [0, 1, 2, 3, 5, 8] {
            the_disk_fails(good, ENOSPC).await;
        }
    });
}

#[test]
fn a_broken_disk_ends_the_task_and_not_the_session() {
    in_real_time(the_disk_fails(4, EIO));
}

#[test]
fn a_home_that_cannot_be_written_refuses_the_session_and_takes_it_later() {
    in_real_time(async {
        let home = Home::new();
        // Not even root can make a directory below a file.
        std::fs::write(home.0.path().join("sessions"), "in the way").unwrap();
        let world = home.world();
        let mut ui = world.open().await;
        assert!(!configure(&mut ui).await);
        std::fs::remove_file(home.0.path().join("sessions")).unwrap();
        assert!(configure(&mut ui).await);
        ui.say("u", "hello").await;
        assert!(matches!(ui.until_terminal("u").await, EventMsg::TaskComplete { .. }));
    });
}

#[test]
fn a_journal_that_cannot_be_made_durable_is_a_warning() {
    in_real_time(async {
        let home = Home::new();
        let disk = Disk { good: Arc::new(AtomicUsize::new(usize::MAX)), code: EIO, durable: false };
        let store: Arc<dyn ThreadStore> = Arc::new(FaultyThreads(home.store(), disk));
        let world = World::with(&[], |options| {
            options.threads = store;
            options.sync = SyncPolicy::Task;
        });
        let mut ui = world.open().await;
        assert!(configure(&mut ui).await);
        ui.say("u", "hello").await;
        assert!(matches!(ui.until_terminal("u").await, EventMsg::TaskComplete { .. }));
        let warned = ui.until("a warning", |msg| matches!(msg, EventMsg::Warning { .. })).await;
        let EventMsg::Warning { message } = &warned.msg else { unreachable!() };
        assert!(message.starts_with("the thread may not survive a power cut: Input/output error"), "{message}");
        assert_eq!((warned.id.as_str(), warned.seq), ("", ui.seen.len() as u64));
    });
}
