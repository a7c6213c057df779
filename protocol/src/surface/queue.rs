//! What clients want of a thread, in the order in which they said it. Words for a turn that runs may come too late for
//! it: then they are for a turn of their own, and nothing that was said after them may overtake them.

use crate::ids::SubmissionId;
use std::collections::BTreeMap;

/// A place in the queue, which is kept for what may come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

/// What waits to be submitted, and the words of which it is not known yet whether a turn heard them. `W` is whatever
/// clients want.
#[derive(Debug)]
pub struct Queue<W> {
    waiting: BTreeMap<Place, W>,
    last: Place,
    /// Oldest first.
    open: Vec<Words<W>>,
    /// The turn whose own words were shown; what it shows after them was said to it while it ran.
    speaking: Option<SubmissionId>,
}

#[derive(Debug)]
struct Words<W> {
    submission: SubmissionId,
    turn: SubmissionId,
    place: Place,
    again: Option<W>,
}

impl<W> Default for Queue<W> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), last: Place::default(), open: Vec::new(), speaking: None }
    }
}

impl<W> Queue<W> {
    /// A client wants this.
    pub fn push(&mut self, wanted: W) {
        self.last.0 += 1;
        self.waiting.insert(self.last, wanted);
    }

    /// What is to be submitted now, while this turn runs. Nothing is as long as words may come back from a turn that is
    /// over.
    pub fn next(&mut self, running: Option<&SubmissionId>) -> Option<(Place, W)> {
        if self.open.iter().any(|words| running != Some(&words.turn)) {
            return None;
        }
        self.waiting.pop_first()
    }

    /// Whether nothing waits, and no words may come back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.open.is_empty()
    }

    /// Words that had this place are about to be submitted to this turn. `again` is to be submitted in their stead should
    /// it be over before it hears them.
    pub fn said(&mut self, submission: SubmissionId, turn: SubmissionId, place: Place, again: Option<W>) {
        self.open.push(Words { submission, turn, place, again });
    }

    /// A turn begins. Words for another one that were submitted before it are settled.
    pub fn turn_began(&mut self, turn: &SubmissionId) {
        self.open.retain(|words| words.turn == *turn);
        self.speaking = None;
    }

    /// A turn shows words of the user: its own first, then those that it heard since.
    pub fn shown(&mut self, turn: &SubmissionId) {
        if self.speaking.as_ref() != Some(turn) {
            self.speaking = Some(turn.clone());
        } else if let Some(heard) = self.open.iter().position(|words| words.turn == *turn) {
            self.open.remove(heard);
        }
    }

    /// Somebody has asked for the end of a turn: what it does not hear is not to begin another one.
    pub fn interrupted(&mut self, turn: &SubmissionId) {
        for words in self.open.iter_mut().filter(|words| words.turn == *turn) {
            words.again = None;
        }
    }

    /// The submission was answered with an error. Whether it will be submitted again, because its turn was over.
    pub fn refused(&mut self, submission: &SubmissionId, running: Option<&SubmissionId>) -> bool {
        let Some(at) = self.open.iter().position(|words| words.submission == *submission) else {
            return false;
        };
        let words = self.open.remove(at);
        running != Some(&words.turn) && self.comes_back(words)
    }

    /// The session died and began again: it does not remember words that were not shown.
    pub fn restarted(&mut self) {
        for words in std::mem::take(&mut self.open) {
            self.comes_back(words);
        }
    }

    fn comes_back(&mut self, words: Words<W>) -> bool {
        let Some(again) = words.again else {
            return false;
        };
        self.waiting.insert(words.place, again);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, VecDeque};

    /// Words: `say:S>T` (what stands before all others is submission S, to turn T), `begin:T`, `show:T`, `stop:T`, `refuse:S`, `refuse:S@T` (while T runs),
    /// `restart`, `push:W`, `next` and `next:T` (while T runs). Gives back what is to be submitted.
    fn check(script: &str, expected: &[&str]) {
        let mut queue = Queue { last: Place(10), ..Queue::default() };
        let (mut places, mut submitted) = (0, Vec::new());
        for word in script.split_whitespace() {
            let (word, rest) = word.split_once(':').unwrap_or((word, ""));
            let running = (!rest.is_empty()).then(|| rest.into());
            match (word, rest.split_once(['>', '@'])) {
                ("say", Some((submission, turn))) => {
                    places += 1;
                    queue.said(submission.into(), turn.into(), Place(places), Some(submission));
                }
                ("begin", _) => queue.turn_began(&rest.into()),
                ("show", _) => queue.shown(&rest.into()),
                ("stop", _) => queue.interrupted(&rest.into()),
                ("restart", _) => queue.restarted(),
                ("push", _) => queue.push(rest),
                ("next", _) => submitted.extend(queue.next(running.as_ref()).map(|(_, wanted)| wanted)),
                ("refuse", Some((submission, turn))) => _ = queue.refused(&submission.into(), Some(&turn.into())),
                ("refuse", None) => _ = queue.refused(&rest.into(), None),
                _ => panic!("unknown word {word}"),
            }
        }
        assert_eq!(submitted, expected, "{script}");
    }

    #[test]
    fn words_that_came_too_late_are_submitted_again_before_all_others() {
        check("say:1>a refuse:1 next next", &["1"]);
        check("push:x say:1>a say:2>a refuse:1 refuse:2 refuse:2 next next next next", &["1", "2", "x"]);
        check("say:1>a refuse:1 next say:1>b refuse:1 next", &["1", "1"]);
        check("say:1>a refuse:1@b next:b", &["1"]);
        check("push:x refuse:9 next", &["x"]);
    }

    #[test]
    fn nothing_overtakes_words_of_which_it_is_not_known_whether_they_were_heard() {
        check("say:1>a push:x next:a", &["x"]);
        check("say:1>a push:x next", &[]);
        check("say:1>a push:x next refuse:1 next next", &["1", "x"]);
        check("begin:a show:a say:1>a push:x next show:a next", &["x"]);
        check("begin:a show:a say:1>a say:2>a push:x show:a next refuse:2 next next", &["2", "x"]);
        check("say:1>a begin:a show:a push:x next show:a next", &["x"]);
    }

    #[test]
    fn words_that_were_refused_for_another_reason_are_not_submitted_again() {
        check("say:1>a refuse:1@a push:x next next", &["x"]);
    }

    #[test]
    fn what_a_turn_heard_is_settled_when_the_next_begins() {
        check("say:1>a begin:a refuse:1 next", &["1"]);
        check("say:1>a begin:b refuse:1 push:x next next", &["x"]);
    }

    #[test]
    fn who_asks_for_the_end_of_a_turn_wants_no_other() {
        check("say:1>a stop:a refuse:1 push:x next next", &["x"]);
        check("say:1>a stop:b refuse:1 push:x next next", &["1", "x"]);
    }

    #[test]
    fn a_session_that_died_remembers_no_words() {
        check("say:1>a say:2>a stop:b push:x restart next next next", &["1", "2", "x"]);
    }

    /// A session as far as words go, and the client's end of it.
    #[derive(Default)]
    struct World {
        queue: Queue<usize>,
        said: usize,
        /// What the surface knows.
        running: Option<SubmissionId>,
        listening: Option<SubmissionId>,
        /// On its way to the session, and from it.
        mail: VecDeque<(SubmissionId, Mail)>,
        events: VecDeque<Event>,
        words: HashMap<SubmissionId, usize>,
        turn: Option<SubmissionId>,
        unheard: Vec<SubmissionId>,
        shown: Vec<usize>,
    }

    enum Mail {
        Begin,
        Steer(SubmissionId),
    }

    enum Event {
        Began(SubmissionId),
        Shown(SubmissionId),
        Ended(SubmissionId),
        Refused(SubmissionId),
    }

    impl World {
        fn submit(&mut self) {
            let Some((place, words)) = self.queue.next(self.running.as_ref()) else { return };
            let id = SubmissionId::from(format!("{}", self.words.len()));
            self.words.insert(id.clone(), words);
            if let Some(turn) = self.listening.clone() {
                self.queue.said(id.clone(), turn.clone(), place, Some(words));
                self.mail.push_back((id, Mail::Steer(turn)));
            } else {
                self.listening = Some(id.clone());
                self.mail.push_back((id, Mail::Begin));
            }
        }

        /// As the session does, a turn is shown to begin with its own words.
        fn session_reads(&mut self) {
            match self.mail.pop_front() {
                Some((id, Mail::Begin)) => {
                    self.end_of_turn();
                    self.turn = Some(id.clone());
                    self.events.push_back(Event::Began(id.clone()));
                    self.show(&id);
                }
                Some((id, Mail::Steer(turn))) if self.turn.as_ref() == Some(&turn) => self.unheard.push(id),
                Some((id, Mail::Steer(_))) => self.events.push_back(Event::Refused(id)),
                None => {}
            }
        }

        fn show(&mut self, id: &SubmissionId) {
            self.shown.push(self.words[id]);
            self.events.extend(self.turn.clone().map(Event::Shown));
        }

        fn turn_hears(&mut self) {
            for id in std::mem::take(&mut self.unheard) {
                self.show(&id);
            }
        }

        fn end_of_turn(&mut self) {
            self.events.extend(self.turn.take().map(Event::Ended));
            self.events.extend(self.unheard.drain(..).map(Event::Refused));
        }

        fn client_reads(&mut self) {
            match self.events.pop_front() {
                Some(Event::Began(turn)) => {
                    self.queue.turn_began(&turn);
                    self.running = Some(turn);
                }
                Some(Event::Shown(turn)) => self.queue.shown(&turn),
                Some(Event::Ended(turn)) => {
                    self.running = None;
                    self.listening.take_if(|listening| *listening == turn);
                }
                Some(Event::Refused(id)) => {
                    self.queue.refused(&id, self.running.as_ref());
                }
                None => {}
            }
            self.submit();
        }
    }

    proptest! {
        #[test]
        fn all_that_is_said_is_heard_once_and_in_order(steps in prop::collection::vec(0..5u8, 0..200)) {
            let mut world = World::default();
            for step in steps {
                match step {
                    0 => {
                        world.queue.push(world.said);
                        world.said += 1;
                        world.submit();
                    }
                    1 => world.session_reads(),
                    2 => world.turn_hears(),
                    3 => world.end_of_turn(),
                    _ => world.client_reads(),
                }
            }
            for _ in 0..=2 * world.said {
                world.session_reads();
                world.turn_hears();
                while !world.events.is_empty() {
                    world.client_reads();
                }
            }
            prop_assert_eq!(world.shown, (0..world.said).collect::<Vec<_>>());
        }
    }
}
