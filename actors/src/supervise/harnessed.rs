//! Where tests look at actors and make them crash: three calls that do nothing unless the feature `testkit` is on (see
//! `testkit::Harness`). Apart from the engine's option this is all of it that the actors know.

#[cfg(feature = "testkit")]
pub(crate) use crate::testkit::{crash_point, inherit};

#[cfg(not(feature = "testkit"))]
#[expect(clippy::extra_unused_type_parameters, reason = "the calls are those of the feature")]
mod absent {
    /// `A` is about to deal with `what`.
    pub(crate) fn crash_point<A>(_what: &impl std::fmt::Debug) {}

    /// `running` is the life of an `A` that is started by whoever calls this.
    pub(crate) fn inherit<A, R: Future<Output = ()>>(running: R) -> R {
        running
    }
}

#[cfg(not(feature = "testkit"))]
pub(crate) use absent::{crash_point, inherit};
