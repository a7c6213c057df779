//! Threads as they are kept, as clients see them.

use super::AppServerOptions;
use crate::threads::{StoredThread, ThreadError, ThreadOrder, ThreadQuery, ThreadSummary};
use llmx_protocol::{
    ids::{SessionId, SubmissionId},
    surface::turns,
    wire::{
        rollout::SessionSource,
        rpc::{
            RpcError,
            thread::{
                GitInfo, HistoryParams, OneOrMany, SortDirection, Thread, ThreadItemEntry, ThreadItemsListResponse,
                ThreadListParams, ThreadSortKey, ThreadStatus, ThreadTurnsListResponse,
            },
            turn::{ItemsView, Turn},
        },
    },
};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};

/// How many turns or items a page has unless the client says otherwise.
const PAGE: usize = 100;

pub(super) fn query(params: &ThreadListParams, options: &AppServerOptions) -> ThreadQuery {
    ThreadQuery {
        cursor: params.cursor.clone(),
        limit: params.limit.map(|limit| limit as usize),
        providers: params.model_providers.clone().unwrap_or_default(),
        cwds: directories(params).iter().map(|cwd| options.cwd.join(cwd)).collect(),
        archived: params.archived.unwrap_or_default(),
        search: params.search_term.clone(),
        sources: params.source_kinds.iter().flatten().filter_map(|kind| source(kind)).collect(),
        order: match params.sort_key.unwrap_or_default() {
            ThreadSortKey::CreatedAt | ThreadSortKey::SectionPosition => ThreadOrder::Began,
            ThreadSortKey::UpdatedAt | ThreadSortKey::RecencyAt => ThreadOrder::Written,
        },
        oldest_first: params.sort_direction == Some(SortDirection::Asc),
    }
}

fn directories(params: &ThreadListParams) -> Vec<PathBuf> {
    match params.cwd.clone() {
        None => Vec::new(),
        Some(OneOrMany::One(cwd)) => vec![cwd],
        Some(OneOrMany::Many(cwds)) => cwds,
    }
}

/// Kinds of clients that llmx does not tell apart are one to it.
fn source(kind: &str) -> Option<SessionSource> {
    match kind {
        "cli" => Some(SessionSource::Cli),
        "vscode" | "appServer" => Some(SessionSource::Vscode),
        "exec" => Some(SessionSource::Exec),
        "mcp" => Some(SessionSource::Mcp),
        "unknown" => Some(SessionSource::Unknown),
        _ => None,
    }
}

pub(super) fn thread(summary: &ThreadSummary) -> Thread {
    let seconds = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let git = summary.git.as_ref().map(|git| GitInfo {
        sha: git.commit_hash.clone(),
        branch: git.branch.clone(),
        origin_url: git.repository_url.clone(),
    });
    Thread {
        id: summary.id.clone(),
        environments: None,
        extra: (),
        session_id: summary.id.clone(),
        forked_from_id: None,
        attached_to_thread_id: (),
        parent_thread_id: (),
        preview: summary.preview.clone(),
        ephemeral: false,
        section: (),
        section_entered_at: (),
        project_id: (),
        history_mode: "legacy".to_owned(),
        model_provider: summary.model_provider.clone().unwrap_or_default(),
        model: summary.model.clone(),
        reasoning_effort: None,
        created_at: seconds(summary.created_at),
        updated_at: seconds(summary.updated_at),
        recency_at: Some(seconds(summary.updated_at)),
        status: ThreadStatus::NotLoaded,
        path: summary.path.clone(),
        cwd: summary.cwd.clone(),
        cli_version: summary.cli_version.clone(),
        originator: None,
        source: serde_json::to_value(&summary.source).unwrap_or(Value::Null),
        can_accept_direct_input: None,
        thread_source: (),
        agent_nickname: (),
        agent_role: (),
        git_info: git,
        name: summary.name.clone(),
        daybreak_enabled: (),
        turns: Vec::new(),
    }
}

/// Its turns with all their items.
pub(super) fn turns_of(stored: &StoredThread) -> Vec<Turn> {
    let time = |seq| stored.times.get(&seq).and_then(|since: &Duration| i64::try_from(since.as_millis()).ok());
    turns(&stored.summary.id, &stored.events, time)
}

/// What a client is told of a thread that cannot be had. Some look for the words.
pub(super) fn refusal(id: &SessionId, error: &ThreadError) -> RpcError {
    match error {
        ThreadError::NotFound(_) => {
            RpcError::invalid_request(format!("no rollout found for thread id {id} (thread not found: {id})"))
        }
        ThreadError::Locked { .. } | ThreadError::Corrupt { .. } | ThreadError::Invalid(_) => {
            RpcError::invalid_request(error.to_string())
        }
        ThreadError::Io { .. } | ThreadError::Closed => RpcError::internal(error.to_string()),
    }
}

/// Some of a list, from either end. A cursor is a place between two entries.
struct Paged<T> {
    data: Vec<T>,
    next_cursor: Option<String>,
    backwards_cursor: Option<String>,
}

fn page<T>(all: Vec<T>, params: &HistoryParams) -> Result<Paged<T>, RpcError> {
    let limit = params.limit.map_or(PAGE, |limit| limit as usize).max(1);
    let direction = params.sort_direction.unwrap_or_default();
    let place = match params.cursor.as_deref() {
        None if direction == SortDirection::Asc => 0,
        None => all.len(),
        Some(cursor) => cursor
            .parse::<usize>()
            .ok()
            .filter(|place| *place <= all.len())
            .ok_or_else(|| RpcError::invalid_request(format!("invalid cursor: {cursor}")))?,
    };
    let (start, end) = match direction {
        SortDirection::Asc => (place, place.saturating_add(limit).min(all.len())),
        SortDirection::Desc => (place.saturating_sub(limit), place),
    };
    let length = all.len();
    let mut data: Vec<T> = all.into_iter().skip(start).take(end - start).collect();
    let (next, back) = match direction {
        SortDirection::Asc => ((end < length).then_some(end), start),
        SortDirection::Desc => {
            data.reverse();
            ((start > 0).then_some(start), end)
        }
    };
    Ok(Paged { data, next_cursor: next.map(|n| n.to_string()), backwards_cursor: Some(back.to_string()) })
}

pub(super) fn turns_page(turns: Vec<Turn>, params: &HistoryParams) -> Result<ThreadTurnsListResponse, RpcError> {
    let view = params.items_view.unwrap_or(ItemsView::Full);
    let Paged { mut data, next_cursor, backwards_cursor } = page(turns, params)?;
    for turn in &mut data {
        turn.items_view = view;
        match view {
            ItemsView::NotLoaded => turn.items.clear(),
            ItemsView::Summary => drop(turn.items.drain(..turn.items.len().saturating_sub(1))),
            ItemsView::Full => {}
        }
    }
    Ok(ThreadTurnsListResponse { data, next_cursor, backwards_cursor })
}

pub(super) fn items_page(turns: Vec<Turn>, params: &HistoryParams) -> Result<ThreadItemsListResponse, RpcError> {
    let is_meant = |turn: &SubmissionId| params.turn_id.as_ref().is_none_or(|wanted| wanted == turn);
    let of_turn = |turn: Turn| {
        let id = turn.id.clone();
        turn.items.into_iter().map(move |item| ThreadItemEntry { item, turn_id: id.clone() })
    };
    let all: Vec<_> = turns.into_iter().filter(|turn| is_meant(&turn.id)).flat_map(of_turn).collect();
    let Paged { data, next_cursor, backwards_cursor } = page(all, params)?;
    Ok(ThreadItemsListResponse { data, next_cursor, backwards_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(direction: SortDirection, cursor: Option<&str>, limit: u32, expected: &str) {
        let params = HistoryParams {
            thread_id: "t".into(),
            turn_id: None,
            cursor: cursor.map(ToOwned::to_owned),
            limit: Some(limit),
            sort_direction: Some(direction),
            items_view: None,
        };
        let shown = match page(vec![0, 1, 2, 3, 4], &params) {
            Ok(paged) => format!("{:?} {:?}", paged.data, paged.next_cursor.unwrap_or_default()),
            Err(error) => error.message,
        };
        assert_eq!(shown, expected, "{direction:?} {cursor:?} {limit}");
    }

    #[test]
    fn pages_go_on_where_the_one_before_ended() {
        check(SortDirection::Asc, None, 2, r#"[0, 1] "2""#);
        check(SortDirection::Asc, Some("2"), 2, r#"[2, 3] "4""#);
        check(SortDirection::Asc, Some("4"), 2, r#"[4] """#);
        check(SortDirection::Desc, None, 2, r#"[4, 3] "3""#);
        check(SortDirection::Desc, Some("3"), 9, r#"[2, 1, 0] """#);
        check(SortDirection::Desc, None, 0, r#"[4] "4""#);
        check(SortDirection::Asc, Some("5"), 2, r#"[] """#);
        check(SortDirection::Asc, Some("6"), 2, "invalid cursor: 6");
        check(SortDirection::Asc, Some("x"), 2, "invalid cursor: x");
    }
}
