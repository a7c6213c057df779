//! The turns of a task that sum the conversation up (reference `model-wire.md` §12): because the UI wants it, or because
//! the conversation has outgrown its limit. Until the summary is there nothing is changed, so that a summary which fails
//! or is interrupted loses nothing.

use super::{Effect, Outcome, Purpose, Task, TurnEnd, Work};
use crate::{
    compaction,
    history::History,
    ids::ItemId,
    model::item::ResponseItem,
    wire::{
        event::EventMsg,
        usage::{TokenUsage, TokenUsageInfo},
    },
};

/// How often a conversation that is too long to be summed up is shortened; less than a tenth is left then.
const MOST_CUTS: u32 = 8;
const DONE: &str = "Compact task completed";
const ACCURACY: &str = "The conversation was summed up. Long conversations and several summaries make the model less accurate: start a new \
     conversation where you can.";

/// A summary under way.
#[derive(Debug)]
pub(super) struct Summing {
    item: ItemId,
    /// What is summed up.
    history: History,
    /// What comes after the summary as it is: input that the model has not seen.
    unanswered: Vec<ResponseItem>,
    /// What the model is sent: `history`, or what fits of it.
    sent: History,
    left_out: usize,
    cuts: u32,
}

impl Task {
    /// Whether a summary comes before the next request.
    pub(super) fn is_to_be_summed_up(&self) -> bool {
        self.is_asked_to_compact() || self.over_limit().is_some()
    }

    fn is_asked_to_compact(&self) -> bool {
        matches!(self.start.work, Work::Compact)
    }

    /// How large the conversation is and how large it may be, if it is larger.
    pub(super) fn over_limit(&self) -> Option<(i64, i64)> {
        let (tokens, limit) = (self.history.tokens()?, self.start.settings.compacts_at()?);
        (tokens >= limit).then_some((tokens, limit))
    }

    pub(super) fn sum_up(&mut self, out: &mut Vec<Effect>) {
        if let Some((tokens, limit)) = self.over_limit().filter(|_| !self.is_asked_to_compact()) {
            if self.just_compacted {
                return self.fail(still_over(tokens, limit), out);
            }
            let message = format!("Compacting the conversation: {tokens} tokens are in use, the limit is {limit}");
            out.push(Effect::Publish(EventMsg::BackgroundEvent { message }));
        }
        let item = ItemId::from(format!("item_{}_summary", self.turn));
        out.push(Effect::Publish(EventMsg::ContextCompactionBegin { item_id: item.clone() }));
        let (history, unanswered) = self.divided();
        self.ask_for_summary(Summing { item, sent: history.clone(), history, unanswered, left_out: 0, cuts: 0 }, out);
    }

    /// What there is to sum up, and what is to be answered after it.
    fn divided(&self) -> (History, Vec<ResponseItem>) {
        let is_unanswered = self.turn == self.start.first_turn && matches!(self.start.work, Work::Answer(_));
        if is_unanswered { self.history.before_last() } else { (self.history.clone(), Vec::new()) }
    }

    fn ask_for_summary(&mut self, summing: Summing, out: &mut Vec<Effect>) {
        let history = compaction::request(&summing.sent, &self.start.settings);
        self.summing = Some(summing);
        self.start_turn(Purpose::Summary, &history, out);
    }

    pub(super) fn summed_up(&mut self, summing: Summing, end: TurnEnd, out: &mut Vec<Effect>) {
        let failed = |why: &str| format!("failed to compact the conversation: {why}");
        match (end.outcome, end.last_message.filter(|summary| !summary.trim().is_empty())) {
            (Outcome::Completed, Some(summary)) => self.go_on_from(&summary, summing, out),
            (Outcome::Completed, None) => self.fail(failed("the model gave no summary"), out),
            (Outcome::Overflowed(why), _) => self.shorten(summing, failed(&why), out),
            (Outcome::Failed(why), _) => self.fail(failed(&why), out),
            (Outcome::Stopped, _) => self.end(out),
        }
    }

    fn go_on_from(&mut self, summary: &str, summing: Summing, out: &mut Vec<Effect>) {
        self.just_compacted = true;
        let compacted = compaction::compacted(&summing.history, &self.start.settings, summary);
        self.history = compacted.with(summing.unanswered, None);
        if summing.left_out > 0 {
            let message = format!("The {} oldest items did not fit and are not in the summary", summing.left_out);
            out.push(Effect::Publish(EventMsg::BackgroundEvent { message }));
        }
        out.push(Effect::Publish(EventMsg::ContextCompactionEnd { item_id: summing.item }));
        let is_asked = self.is_asked_to_compact();
        if is_asked {
            out.push(Effect::Publish(EventMsg::AgentMessage { message: DONE.into(), item_id: None }));
        }
        out.push(Effect::Publish(EventMsg::warning(ACCURACY)));
        // A server's name would mean the conversation as the server has it.
        self.turn_completed(None, out);
        match (self.stop, is_asked) {
            (Some(_), _) => self.end(out),
            (None, true) => self.finish(vec![EventMsg::TaskComplete { last_agent_message: None }], out),
            (None, false) => {
                self.turn = self.turn.next();
                self.start_turn(Purpose::Work, &self.history.clone(), out);
            }
        }
    }

    fn shorten(&mut self, summing: Summing, failed: String, out: &mut Vec<Effect>) {
        let shortened =
            compaction::shortened(&summing.sent).filter(|_| summing.cuts < MOST_CUTS && self.stop.is_none());
        let Some((sent, left_out)) = shortened else {
            return self.fail(failed, out);
        };
        self.turn = self.turn.next();
        let (left_out, cuts) = (summing.left_out + left_out, summing.cuts + 1);
        self.ask_for_summary(Summing { sent, left_out, cuts, ..summing }, out);
    }

    /// The window is full, whatever the server counted before: the next task begins with a summary.
    pub(super) fn overflowed(&mut self, message: String, out: &mut Vec<Effect>) {
        if let Some(window) = self.start.settings.window() {
            self.history = self.history.with_counted(Vec::new(), None, Some(window));
            let info = TokenUsageInfo {
                total_token_usage: self.used,
                last_token_usage: TokenUsage { total_tokens: window, ..TokenUsage::default() },
                model_context_window: Some(window),
            };
            out.push(Effect::Publish(EventMsg::TokenCount { info: Some(info), rate_limits: None }));
        }
        self.fail(message, out);
    }
}

fn still_over(tokens: i64, limit: i64) -> String {
    format!(
        "the conversation takes {tokens} tokens although it was just compacted; the limit is {limit}: start a new \
         conversation, or raise `model_auto_compact_token_limit`"
    )
}
