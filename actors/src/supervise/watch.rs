//! Start an actor so that its parent always learns how it ended.

use super::harnessed::inherit;
use actix::{Actor, Addr, AsyncContext, Context, Message, WeakRecipient};
use futures_util::FutureExt;
use std::{any::Any, panic::AssertUnwindSafe};

/// How an actor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It stopped. Without a "finished" message before, that too is a crash.
    Stopped,
    /// It panicked with this message.
    Panicked(String),
}

impl Exit {
    /// What happened, for an error message.
    #[must_use]
    pub fn describe(&self) -> &str {
        match self {
            Self::Stopped => "it stopped without a word",
            Self::Panicked(text) => text,
        }
    }
}

/// To the parent: a child is gone, its struct dropped. Whatever the child told its parent before arrives before.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ChildExited<Id: Send + 'static> {
    /// Which child.
    pub child: Id,
    /// How it ended.
    pub exit: Exit,
}

/// Starts the actor that `make` returns on this arbiter and tells `parent` when it is gone. A panic in `make`, in
/// `started` or in a handler is an [`Exit::Panicked`]; it ends this actor only.
pub fn start_watched<A, Id>(
    child: Id,
    parent: WeakRecipient<ChildExited<Id>>,
    make: impl FnOnce(&mut Context<A>) -> A,
) -> Addr<A>
where
    A: Actor<Context = Context<A>>,
    Id: Send + 'static,
{
    let mut context = Context::new();
    let address = context.address();
    // In a box of its own: a future that takes an actor over by value has room for it twice.
    let made = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let actor = make(&mut context);
        Box::pin(context.into_future(actor))
    }));
    actix::spawn(inherit::<A, _>(async move {
        let ended = match made {
            Ok(running) => AssertUnwindSafe(running).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        let exit = match ended {
            Ok(()) => Exit::Stopped,
            Err(panic) => Exit::Panicked(panic_text(panic.as_ref())),
        };
        if let Some(parent) = parent.upgrade() {
            parent.do_send(ChildExited { child, exit });
        }
    }));
    address
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned())
}
