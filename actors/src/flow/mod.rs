//! Back-pressure rides in the message. A pump acquires a credit before it sends; the last one who handles what was
//! sent drops it. Mailboxes are no bound in actix (`do_send` ignores their capacity, every address clone adds to it).

pub mod company;

use std::{fmt::Debug, sync::Arc};
use tokio::sync::Semaphore;

/// A pool of bytes that may be under way at once.
#[derive(Clone, Debug)]
pub struct Credits {
    pool: Arc<Semaphore>,
    size: u32,
}

/// Some of a pool, given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Credit {
    _held: Arc<dyn Held>,
}

/// What is given back by being dropped.
trait Held: Debug + Send + Sync {}
impl<T: Debug + Send + Sync> Held for T {}

impl Credit {
    /// One that gives this back.
    pub(crate) fn holding(what: impl Debug + Send + Sync + 'static) -> Self {
        Self { _held: Arc::new(what) }
    }
}

impl Credits {
    /// A pool of so many bytes.
    #[must_use]
    pub fn new(size: u32) -> Self {
        Self { pool: Arc::new(Semaphore::new(size as usize)), size }
    }

    /// Waits until `bytes` of the pool are free (all of it, where that is less) and takes them. Waiting in vain costs
    /// nothing and can be given up. Pools are never closed; should that change, waiting never ends.
    pub async fn acquire(&self, bytes: usize) -> Credit {
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.size);
        match self.pool.clone().acquire_many_owned(share).await {
            Ok(permit) => Credit::holding(permit),
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes `bytes` of the pool (all of it, where that is less) if they are free.
    #[must_use]
    pub fn try_acquire(&self, bytes: usize) -> Option<Credit> {
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.size);
        self.pool.clone().try_acquire_many_owned(share).ok().map(Credit::holding)
    }

    /// How much of the pool is free, in bytes.
    #[must_use]
    pub fn free(&self) -> usize {
        self.pool.available_permits()
    }
}
