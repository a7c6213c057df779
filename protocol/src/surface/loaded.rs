//! The threads that are loaded. Loading one takes time and letting one go does too; what clients want of it meanwhile
//! waits, in order, so that it meets a thread that is there or one that is not.
//!
//! ```text
//! thread ──may I go──▶ server      from now on what is asked of it waits
//! thread ◀──go──────── server      behind everything that was asked before
//! thread ──gone──────▶ server      what waited is asked of a thread that is not loaded
//!        or ──I stay─▶             somebody had asked for something: what waited goes to it
//! ```

use crate::ids::SessionId;
use std::collections::BTreeMap;

/// Threads by their ids. `T` reaches one, `R` is what a client asks.
#[derive(Debug)]
pub struct Loaded<T, R>(BTreeMap<SessionId, Entry<T, R>>);

#[derive(Debug)]
enum Entry<T, R> {
    Opening(Vec<R>),
    Open(T),
    Leaving(T, Vec<R>),
}

/// A thread that is not loaded any more.
#[derive(Debug)]
pub struct Over<R> {
    /// Whether it went because nobody needed it.
    pub was_let_go: bool,
    /// What was asked meanwhile, oldest first.
    pub waited: Vec<R>,
}

impl<T, R> Default for Loaded<T, R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T, R> Loaded<T, R> {
    /// This thread is being opened.
    pub fn opening(&mut self, id: SessionId) {
        self.0.entry(id).or_insert(Entry::Opening(Vec::new()));
    }

    /// The thread is there; gives back what was asked of it meanwhile.
    #[must_use]
    pub fn opened(&mut self, id: SessionId, thread: T) -> Vec<R> {
        match self.0.insert(id, Entry::Open(thread)) {
            Some(Entry::Opening(waited) | Entry::Leaving(_, waited)) => waited,
            Some(Entry::Open(_)) | None => Vec::new(),
        }
    }

    /// Something is asked of a thread: given back, unless it has to wait.
    #[must_use]
    pub fn ask(&mut self, id: &SessionId, request: R) -> Option<R> {
        match self.0.get_mut(id) {
            Some(Entry::Opening(waiting) | Entry::Leaving(_, waiting)) => {
                waiting.push(request);
                None
            }
            Some(Entry::Open(_)) | None => Some(request),
        }
    }

    /// The thread asks whether it may go. It is to be told that it may, behind all that was asked of it.
    #[must_use]
    pub fn may_leave(&mut self, id: &SessionId) -> Option<&T> {
        let entry = self.0.remove(id)?;
        let entry = match entry {
            Entry::Open(thread) => Entry::Leaving(thread, Vec::new()),
            other => other,
        };
        match self.0.entry(id.clone()).or_insert(entry) {
            Entry::Leaving(thread, _) => Some(thread),
            Entry::Opening(_) | Entry::Open(_) => None,
        }
    }

    /// The thread is needed after all; gives back what was asked of it meanwhile.
    #[must_use]
    pub fn stays(&mut self, id: &SessionId) -> Vec<R> {
        match self.0.remove(id) {
            Some(Entry::Leaving(thread, waited)) => {
                self.0.insert(id.clone(), Entry::Open(thread));
                waited
            }
            Some(other) => {
                self.0.insert(id.clone(), other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The thread is gone, or could not be opened. `None` if it was not known.
    pub fn over(&mut self, id: &SessionId) -> Option<Over<R>> {
        Some(match self.0.remove(id)? {
            Entry::Open(_) => Over { was_let_go: false, waited: Vec::new() },
            Entry::Opening(waited) => Over { was_let_go: false, waited },
            Entry::Leaving(_, waited) => Over { was_let_go: true, waited },
        })
    }

    /// The thread, if it is there; one that is about to go is still.
    #[must_use]
    pub fn get(&self, id: &SessionId) -> Option<&T> {
        self.0.get(id)?.thread()
    }

    /// All that are there, by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&SessionId, &T)> {
        self.0.iter().filter_map(|(id, entry)| Some((id, entry.thread()?)))
    }
}

impl<T, R> Entry<T, R> {
    fn thread(&self) -> Option<&T> {
        match self {
            Self::Opening(_) => None,
            Self::Open(thread) | Self::Leaving(thread, _) => Some(thread),
        }
    }
}

/// A loaded thread's own part: when it goes. It does when its session rests (then all of it is in its journal, and to
/// read that again is what the next turn would cost anyway) and nobody needs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stay {
    rests: bool,
    asked: bool,
    goes: bool,
}

impl Stay {
    /// The session rests.
    pub fn session_rests(&mut self) {
        self.rests = true;
    }

    /// The session is told something, or says something.
    pub fn session_wakes(&mut self) {
        self.rests = false;
    }

    /// Whether to ask now if it may go. `needed`: by someone who follows it, or for what is under way.
    #[must_use]
    pub fn asks(&mut self, needed: bool) -> bool {
        let asks = self.rests && !needed && !self.asked && !self.goes;
        self.asked |= asks;
        asks
    }

    /// It may go: whether it does.
    #[must_use]
    pub fn may_go(&mut self, needed: bool) -> bool {
        self.asked = false;
        self.goes = self.rests && !needed;
        self.goes
    }

    /// Whether it goes.
    #[must_use]
    pub fn goes(&self) -> bool {
        self.goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Request {
        Resume,
        Turn,
        Unsubscribe,
    }

    /// What a thread is told, in the order of its mail.
    enum ToThread {
        Ask(usize),
        Go,
    }

    enum ToServer {
        Ask(usize),
        Ready(usize),
        MayGo(usize),
        Stays,
        Over,
    }

    /// A thread, its only client and the server.
    #[derive(Default)]
    struct World {
        loaded: Loaded<usize, usize>,
        asked: Vec<Request>,
        answers: Vec<Option<bool>>,
        server: VecDeque<ToServer>,
        threads: Vec<Thread>,
    }

    #[derive(Default)]
    struct Thread {
        mail: VecDeque<ToThread>,
        stay: Stay,
        followed: bool,
        /// Who wants it opened, until it is.
        opens: Option<usize>,
        gone: bool,
    }

    impl World {
        fn ask(&mut self, request: Request) {
            self.server.push_back(ToServer::Ask(self.asked.len()));
            self.asked.push(request);
            self.answers.push(None);
        }

        fn answer(&mut self, asked: usize, ok: bool) {
            assert_eq!(self.answers[asked].replace(ok), None, "answered twice");
        }

        fn server_asked(&mut self, asked: usize) {
            let id = SessionId::from("t");
            let Some(asked) = self.loaded.ask(&id, asked) else { return };
            match self.loaded.get(&id) {
                Some(thread) => self.threads[*thread].mail.push_back(ToThread::Ask(asked)),
                None if self.asked[asked] == Request::Resume => {
                    self.loaded.opening(id);
                    self.threads.push(Thread { opens: Some(asked), ..Thread::default() });
                }
                None => self.answer(asked, false),
            }
        }

        fn server_reads(&mut self) {
            let id = SessionId::from("t");
            let waited = match self.server.pop_front() {
                Some(ToServer::Ask(asked)) => vec![asked],
                Some(ToServer::Ready(thread)) => self.loaded.opened(id, thread),
                Some(ToServer::MayGo(thread)) => {
                    assert_eq!(self.loaded.may_leave(&id), Some(&thread));
                    self.threads[thread].mail.push_back(ToThread::Go);
                    Vec::new()
                }
                Some(ToServer::Stays) => self.loaded.stays(&id),
                Some(ToServer::Over) => {
                    let over = self.loaded.over(&id).unwrap();
                    assert!(over.was_let_go);
                    over.waited
                }
                None => Vec::new(),
            };
            for asked in waited {
                self.server_asked(asked);
            }
        }

        fn thread_opens(&mut self) {
            let open = self.threads.iter().filter(|thread| thread.opens.is_none() && !thread.gone).count();
            let last = self.threads.len().saturating_sub(1);
            let Some(asked) = self.threads.last_mut().and_then(|thread| thread.opens.take()) else { return };
            assert_eq!(open, 0, "two have the same journal");
            self.threads[last].followed = true;
            self.server.push_back(ToServer::Ready(last));
            self.answer(asked, true);
        }

        fn thread_reads(&mut self) {
            let Some(thread) = self.threads.last_mut().filter(|thread| !thread.gone) else { return };
            match thread.mail.pop_front() {
                Some(ToThread::Ask(asked)) => {
                    thread.stay.session_wakes();
                    match self.asked[asked] {
                        Request::Resume => thread.followed = true,
                        Request::Turn => {}
                        Request::Unsubscribe => thread.followed = false,
                    }
                    self.answer(asked, true);
                }
                Some(ToThread::Go) if thread.stay.may_go(thread.followed) => {}
                Some(ToThread::Go) => self.server.push_back(ToServer::Stays),
                None => {}
            }
            self.thread_may_go();
        }

        fn thread_may_go(&mut self) {
            let last = self.threads.len().saturating_sub(1);
            let Some(thread) = self.threads.last_mut() else { return };
            if thread.stay.asks(thread.followed) {
                self.server.push_back(ToServer::MayGo(last));
            }
        }

        fn session_rests(&mut self) {
            let Some(thread) = self.threads.last_mut().filter(|thread| thread.opens.is_none()) else { return };
            if thread.stay.goes() {
                if !std::mem::replace(&mut thread.gone, true) {
                    assert!(thread.mail.is_empty(), "it goes and was asked for something");
                    self.server.push_back(ToServer::Over);
                }
                return;
            }
            thread.stay.session_rests();
            self.thread_may_go();
        }
    }

    proptest! {
        /// A turn of a client that follows is never refused, and every request is answered once.
        #[test]
        fn a_thread_that_goes_loses_no_request(steps in prop::collection::vec(0..9u8, 0..200)) {
            let mut world = World::default();
            for step in steps {
                match step {
                    0 => world.ask(Request::Resume),
                    1 => world.ask(Request::Turn),
                    2 => world.ask(Request::Unsubscribe),
                    3 | 4 => world.server_reads(),
                    5 => world.thread_opens(),
                    6 | 7 => world.thread_reads(),
                    _ => world.session_rests(),
                }
            }
            for _ in 0..10 * (world.asked.len() + 1) {
                world.server_reads();
                world.thread_opens();
                world.thread_reads();
                world.session_rests();
            }
            let mut follows = false;
            for (request, answer) in world.asked.iter().zip(&world.answers) {
                match request {
                    Request::Resume => prop_assert_eq!(*answer, Some(true)),
                    Request::Turn if follows => prop_assert_eq!(*answer, Some(true)),
                    Request::Turn | Request::Unsubscribe => prop_assert!(answer.is_some()),
                }
                follows = match request {
                    Request::Resume => true,
                    Request::Turn => follows,
                    Request::Unsubscribe => false,
                };
            }
            // One that nobody follows is let go at last, and only that.
            prop_assert_eq!(world.loaded.get(&SessionId::from("t")).is_some(), follows);
        }
    }

    #[test]
    fn a_thread_asks_once_and_goes_only_if_nobody_needs_it() {
        let mut stay = Stay::default();
        assert!(!stay.asks(false), "its session has it");
        stay.session_rests();
        assert!(!stay.asks(true) && stay.asks(false) && !stay.asks(false));
        assert!(!stay.may_go(true) && !stay.goes());
        assert!(stay.asks(false), "its session still rests");
        stay.session_wakes();
        assert!(!stay.may_go(false), "something was asked of it");
        stay.session_rests();
        assert!(stay.asks(false) && stay.may_go(false) && stay.goes());
    }

    #[test]
    fn what_is_asked_of_a_thread_that_cannot_be_opened_is_given_back() {
        let (mut loaded, id) = (Loaded::<(), u8>::default(), SessionId::from("t"));
        assert_eq!(loaded.ask(&id, 0), Some(0));
        loaded.opening(id.clone());
        assert_eq!((loaded.ask(&id, 1), loaded.ask(&id, 2), loaded.iter().count()), (None, None, 0));
        let over = loaded.over(&id).unwrap();
        assert_eq!((over.waited, over.was_let_go, loaded.ask(&id, 3)), (vec![1, 2], false, Some(3)));
        assert!(loaded.over(&id).is_none() && loaded.may_leave(&id).is_none() && loaded.stays(&id).is_empty());
    }
}
