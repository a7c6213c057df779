//! A point in a script where it waits for the test.

use std::sync::Arc;
use tokio::sync::watch;

/// Closed until it is opened, then open for good. All clones are one.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Gate {
    /// Lets everyone pass.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        // The sender is held here: waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}
