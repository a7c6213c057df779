//! A search whose words change while somebody types them.

use super::index::{Index, Interest};
use crate::app_server::{
    connection::{Notes, ToClient},
    unix_millis,
};
use actix::Recipient;
use llmx_protocol::wire::rpc::{
    ServerNotification,
    files::{FoundFile, FuzzyFileSearchSessionCompletedNotification, FuzzyFileSearchSessionUpdatedNotification},
    notification_line,
};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// Ends when it is dropped.
pub(super) struct Session {
    /// Only the last words matter.
    words: watch::Sender<String>,
    _interest: Interest,
}

impl Session {
    /// With the future that finds what is looked for.
    pub(super) fn start(
        id: String,
        roots: Vec<PathBuf>,
        client: Recipient<ToClient>,
    ) -> (Self, impl Future<Output = ()> + 'static) {
        let (words, wanted) = watch::channel(String::new());
        let interest = Interest::default();
        let cancelled = interest.cancelled();
        let searching = async move {
            let teller = Teller { id, client };
            let walk = (roots, cancelled.clone());
            let Ok(index) = tokio::task::spawn_blocking(move || Arc::new(Index::of(&walk.0, &walk.1))).await else {
                return;
            };
            let mut wanted = wanted;
            loop {
                let query = wanted.borrow_and_update().clone();
                let (index, words, cancelled) = (index.clone(), query.clone(), cancelled.clone());
                let Ok(files) = tokio::task::spawn_blocking(move || index.search(&words, &cancelled)).await else {
                    return;
                };
                if wanted.has_changed().is_err() {
                    return;
                }
                teller.tell(query, files);
                if wanted.changed().await.is_err() {
                    return;
                }
            }
        };
        (Self { words, _interest: interest }, searching)
    }

    pub(super) fn look_for(&self, query: String) {
        self.words.send_replace(query);
    }
}

struct Teller {
    id: String,
    client: Recipient<ToClient>,
}

impl Teller {
    fn tell(&self, query: String, files: Vec<FoundFile>) {
        let session_id = self.id.clone();
        let updated = FuzzyFileSearchSessionUpdatedNotification { session_id: session_id.clone(), query, files };
        self.send(&ServerNotification::FuzzyFileSearchSessionUpdated(updated));
        let completed = FuzzyFileSearchSessionCompletedNotification { session_id };
        self.send(&ServerNotification::FuzzyFileSearchSessionCompleted(completed));
    }

    fn send(&self, notification: &ServerNotification) {
        let mut line = Vec::new();
        notification_line(notification, unix_millis(), &mut line);
        self.client.do_send(ToClient::Notes(Notes::one(notification.method(), line, None)));
    }
}
