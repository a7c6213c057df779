//! How many tokens a thread has used, and what its provider still lets it use.

use super::{Said, Surface};
use crate::{
    ids::SessionId,
    wire::{
        event::{Event, EventMsg},
        rpc::{
            ServerNotification, account,
            thread::{ThreadTokenUsage, ThreadTokenUsageUpdatedNotification, TokenUsageBreakdown},
        },
        usage::{RateLimitSnapshot, TokenUsage, TokenUsageInfo},
    },
};

impl Surface {
    pub(super) fn tell_tokens(&mut self, out: &mut Vec<Said>) {
        let Some(turn) = &mut self.turn else {
            return;
        };
        let Some((info, limits)) = turn.tokens.take() else {
            return;
        };
        if let Some(info) = info {
            out.push(Said::Notify(ServerNotification::ThreadTokenUsageUpdated(ThreadTokenUsageUpdatedNotification {
                thread_id: self.thread.clone(),
                turn_id: turn.id.clone(),
                token_usage: token_usage(&info),
            })));
        }
        out.push(Said::Notify(rate_limits(limits)));
    }
}

/// The tokens of a thread as the last of these events that counts them says.
#[must_use]
pub fn last_usage(thread: &SessionId, events: &[Event]) -> Option<ServerNotification> {
    let (turn, info) = events.iter().rev().find_map(|event| match &event.msg {
        EventMsg::TokenCount { info: Some(info), .. } => Some((&event.id, info)),
        _ => None,
    })?;
    Some(ServerNotification::ThreadTokenUsageUpdated(ThreadTokenUsageUpdatedNotification {
        thread_id: thread.clone(),
        turn_id: turn.clone(),
        token_usage: token_usage(info),
    }))
}

fn token_usage(info: &TokenUsageInfo) -> ThreadTokenUsage {
    let breakdown = |usage: TokenUsage| TokenUsageBreakdown {
        total_tokens: usage.total_tokens,
        input_tokens: usage.input_tokens,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_input_tokens: usage.cache_write_input_tokens,
        output_tokens: usage.output_tokens,
        reasoning_output_tokens: usage.reasoning_output_tokens,
    };
    ThreadTokenUsage {
        total: breakdown(info.total_token_usage),
        last: breakdown(info.last_token_usage),
        model_context_window: info.model_context_window,
    }
}

pub(super) fn rate_limits(limits: Option<RateLimitSnapshot>) -> ServerNotification {
    let rate_limits = account::RateLimitSnapshot::from(limits.unwrap_or_default());
    ServerNotification::AccountRateLimitsUpdated(account::AccountRateLimitsUpdatedNotification { rate_limits })
}
