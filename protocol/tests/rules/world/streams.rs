//! Connections to the model.

use super::{World, model::Next, turns::TurnMail};
use crate::{
    script::{Answer, Ending, Said},
    trace::{Request, Seen},
};
use llmx_protocol::{
    history::Prompt,
    ids::{Attempt, TurnId},
    machine::turn,
    model::failure::Failure,
};

impl World {
    pub(super) fn open_model(&mut self, turn: TurnId, attempt: Attempt, in_full: bool) {
        let Some(seat) = self.turns.iter().find(|t| t.turn == turn) else { return };
        let owned = |prompt: &Prompt| prompt.items().into_iter().cloned().collect::<Vec<_>>();
        let whole = owned(&seat.prompt.in_full());
        let prompt = if in_full { seat.prompt.in_full() } else { seat.prompt.clone() };
        let known = self.server.knows(prompt.previous.as_ref(), &owned(&prompt));
        self.note(Seen::Request(Box::new(Request {
            task: seat.task,
            turn,
            purpose: seat.start.purpose,
            attempt,
            at: self.now - self.began,
            request_retries: seat.start.retry.request_max,
            stream_retries: seat.start.retry.stream_max,
            whole,
            known_to_server: known.clone(),
        })));
        let answer = self.answers.pop_front().unwrap_or_else(last_word);
        self.streams.push(self.server.answer(turn, attempt, &known, &answer));
    }

    pub(super) fn stream_speaks(&mut self, i: usize) {
        let stream = &mut self.streams[i];
        let (turn, attempt) = (stream.turn, stream.attempt);
        stream.silent = None;
        match stream.next.pop_front() {
            Some(Next::Says(event)) => {
                stream.answered = true;
                self.tell_turn(Some(turn), TurnMail::Input(turn::Input::Model { attempt, event }));
            }
            Some(Next::Silence) => stream.silent = Some(self.now),
            Some(Next::Ends(how)) => {
                self.note(Seen::ConnectionCloses { turn, attempt });
                self.tell_turn(Some(turn), TurnMail::Input(turn::Input::ModelEnded { attempt, how }));
            }
            None => self.stream_exits(i, Ok(())),
        }
    }

    pub(super) fn stream_closes(&mut self, i: usize) {
        self.stream_exits(i, Ok(()));
    }

    pub(super) fn stream_exits(&mut self, i: usize, how: Result<(), Failure>) {
        let (turn, attempt) = (self.streams[i].turn, self.streams[i].attempt);
        self.streams[i].exited = true;
        self.note(Seen::ConnectionCloses { turn, attempt });
        self.tell_turn(Some(turn), TurnMail::Input(turn::Input::ModelEnded { attempt, how }));
    }
}

fn last_word() -> Answer {
    Answer {
        items: vec![Said::Message { deltas: 1, whole: true }],
        ending: Ending::Completed { named: true, incomplete: false, again: 0 },
    }
}
