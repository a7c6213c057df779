//! An answer that is owed.

use tokio::sync::oneshot;

/// Nobody keeps accounts any more, or whoever did crashed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("internal error: the keeper of accounts is gone")]
pub struct AccountsGone;

/// What to call with an answer. It is called once in any case: with [`AccountsGone`] if it is dropped. An actor that
/// asks passes the call on to its own mailbox, and so hears the answer before the facts that were told after it.
pub struct Answer<T>(Option<Taker<T>>);

type Taker<T> = Box<dyn FnOnce(Result<T, AccountsGone>) + Send>;

impl<T: Send + 'static> Answer<T> {
    /// Calls `take` with the answer.
    #[must_use]
    pub fn to(take: impl FnOnce(Result<T, AccountsGone>) + Send + 'static) -> Self {
        Self(Some(Box::new(take)))
    }

    /// For whoever awaits it.
    pub fn awaited() -> (Self, impl Future<Output = Result<T, AccountsGone>>) {
        let (to, answered) = oneshot::channel();
        // Nobody may be listening any more.
        let answer = Self::to(|answer| drop(to.send(answer)));
        (answer, async { answered.await.unwrap_or(Err(AccountsGone)) })
    }

    /// Answers.
    pub fn give(mut self, answer: T) {
        if let Some(take) = self.0.take() {
            take(Ok(answer));
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if let Some(take) = self.0.take() {
            take(Err(AccountsGone));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_always_comes() {
        let (answer, awaited) = Answer::awaited();
        answer.give(1);
        assert_eq!(awaited.await, Ok(1));
        let (answer, awaited) = Answer::<u8>::awaited();
        drop(answer);
        assert_eq!(awaited.await, Err(AccountsGone));
    }
}
