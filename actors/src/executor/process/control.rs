//! The words on the control socket between engine and helper. Both ends are the same program, so the format has no
//! version: a tag byte, then fixed-width big-endian fields.

use super::not_started::{Cause, NotStarted};
use std::time::Duration;

/// Longest failure text that is told; a path is at most this long (`PATH_MAX`).
const MAX_TEXT: usize = 4096;

/// More than this never comes from a helper of ours.
pub(super) const MAX_REPORT: usize = 2 * MAX_TEXT;

/// Engine to helper. The third word is the end of the stream: the engine is gone, or let go of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// SIGTERM to the tree, SIGKILL of what is left after `grace`.
    Terminate { grace: Duration },
    /// SIGKILL to the tree.
    Kill,
    /// This signal to the command's own group.
    Forward { signal: u8 },
}

impl Request {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Terminate { grace } => {
                let millis = u32::try_from(grace.as_millis()).unwrap_or(u32::MAX);
                [b"T".as_slice(), &millis.to_be_bytes()].concat()
            }
            Self::Kill => b"K".to_vec(),
            Self::Forward { signal } => vec![b'S', signal],
        }
    }

    /// The first whole request in `bytes`, taken out of it. An unknown byte counts as `Kill`: the safe reading.
    pub(super) fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let (request, length) = match *bytes.first()? {
            b'T' => {
                let millis = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
                (Self::Terminate { grace: Duration::from_millis(millis.into()) }, 5)
            }
            b'S' => (Self::Forward { signal: *bytes.get(1)? }, 2),
            _ => (Self::Kill, 1),
        };
        bytes.drain(..length);
        Some(request)
    }
}

/// Helper to engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// Written by the leader itself before it becomes the command: its pid, which is also its session.
    Started { leader: u32 },
    /// The leader called exit.
    Exited { code: i32, left: Left },
    /// A signal ended the leader.
    Signalled { signal: i32, left: Left },
    /// The leader lives on as another user.
    OutOfReach { left: Left },
    /// The command did not start, and why.
    Failed(NotStarted),
}

/// What the leader left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Processes beside the leader that SIGKILL ended.
    pub(super) survivors: u32,
    /// Processes that the helper may not kill (they run as another user).
    pub(super) out_of_reach: u32,
}

impl Left {
    fn encode(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.survivors.to_be_bytes());
        bytes[4..].copy_from_slice(&self.out_of_reach.to_be_bytes());
        bytes
    }
}

impl Report {
    /// A `Started` without allocation: it is written between fork and exec.
    pub(super) fn encode_started(leader: u32) -> [u8; 5] {
        let [a, b, c, d] = leader.to_be_bytes();
        [b'S', a, b, c, d]
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Started { leader } => Self::encode_started(*leader).to_vec(),
            Self::Exited { code, left } => ended(b'E', *code, *left),
            Self::Signalled { signal, left } => ended(b'K', *signal, *left),
            Self::OutOfReach { left } => [b"O".as_slice(), &left.encode()].concat(),
            Self::Failed(NotStarted { cause, text }) => {
                let text = &text.as_bytes()[..text.len().min(MAX_TEXT)];
                let length = u32::try_from(text.len()).unwrap_or(0);
                [[b'F', cause.to_byte()].as_slice(), &length.to_be_bytes(), text].concat()
            }
        }
    }

    /// Every whole report in `bytes`; reading stops at the first byte that no helper writes.
    pub(super) fn decode_all(mut bytes: &[u8]) -> Vec<Self> {
        std::iter::from_fn(|| Self::take(&mut bytes)).collect()
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match take_bytes(bytes, 1)?[0] {
            b'S' => Some(Self::Started { leader: u32_from(bytes)? }),
            b'E' => Some(Self::Exited { code: i32_from(bytes)?, left: left_from(bytes)? }),
            b'K' => Some(Self::Signalled { signal: i32_from(bytes)?, left: left_from(bytes)? }),
            b'O' => Some(Self::OutOfReach { left: left_from(bytes)? }),
            b'F' => {
                let cause = Cause::from_byte(take_bytes(bytes, 1)?[0])?;
                let length = usize::try_from(u32_from(bytes)?).ok()?;
                let text = String::from_utf8_lossy(take_bytes(bytes, length)?).into_owned();
                Some(Self::Failed(NotStarted { cause, text }))
            }
            _ => None,
        }
    }
}

fn ended(tag: u8, status: i32, left: Left) -> Vec<u8> {
    [[tag].as_slice(), &status.to_be_bytes(), &left.encode()].concat()
}

fn take_bytes<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (head, tail) = bytes.split_at_checked(length)?;
    *bytes = tail;
    Some(head)
}

fn u32_from(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take_bytes(bytes, 4)?.try_into().ok()?))
}

fn i32_from(bytes: &mut &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(take_bytes(bytes, 4)?.try_into().ok()?))
}

fn left_from(bytes: &mut &[u8]) -> Option<Left> {
    Some(Left { survivors: u32_from(bytes)?, out_of_reach: u32_from(bytes)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_request() -> impl Strategy<Value = Request> {
        prop_oneof![
            any::<u32>().prop_map(|ms| Request::Terminate { grace: Duration::from_millis(ms.into()) }),
            Just(Request::Kill),
            any::<u8>().prop_map(|signal| Request::Forward { signal }),
        ]
    }

    fn any_left() -> impl Strategy<Value = Left> {
        any::<(u32, u32)>().prop_map(|(survivors, out_of_reach)| Left { survivors, out_of_reach })
    }

    fn any_cause() -> impl Strategy<Value = Cause> {
        prop::sample::select(vec![Cause::NotFound, Cause::NotExecutable, Cause::NotConfined, Cause::Other])
    }

    fn any_report() -> impl Strategy<Value = Report> {
        prop_oneof![
            any::<u32>().prop_map(|leader| Report::Started { leader }),
            (any::<i32>(), any_left()).prop_map(|(code, left)| Report::Exited { code, left }),
            (any::<i32>(), any_left()).prop_map(|(signal, left)| Report::Signalled { signal, left }),
            any_left().prop_map(|left| Report::OutOfReach { left }),
            (any_cause(), ".{0,80}").prop_map(|(cause, text)| Report::Failed(NotStarted { cause, text })),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn requests_survive_the_socket_in_any_pieces(requests in prop::collection::vec(any_request(), 0..5)) {
            let mut inbox = Vec::new();
            let mut taken = Vec::new();
            for byte in requests.iter().flat_map(|request| request.encode()) {
                inbox.push(byte);
                taken.extend(Request::take(&mut inbox));
            }
            prop_assert_eq!(taken, requests);
        }

        #[test]
        fn reports_survive_the_socket(reports in prop::collection::vec(any_report(), 0..5)) {
            let bytes: Vec<u8> = reports.iter().flat_map(Report::encode).collect();
            prop_assert_eq!(Report::decode_all(&bytes), reports);
        }

        #[test]
        fn a_cut_report_is_no_report(report in any_report(), cut in any::<prop::sample::Index>()) {
            let bytes = report.encode();
            prop_assert_eq!(Report::decode_all(&bytes[..cut.index(bytes.len())]), []);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let reports = Report::decode_all(&bytes);
            prop_assert!(reports.len() <= bytes.len());
        }
    }

    #[test]
    fn a_long_failure_is_cut_and_stays_readable() {
        let reports = Report::decode_all(&Report::Failed(NotStarted::other("é".repeat(MAX_TEXT))).encode());
        let [Report::Failed(NotStarted { text, .. })] = reports.as_slice() else { panic!("{reports:?}") };
        assert!(text.starts_with("éé") && text.len() <= MAX_TEXT + 3);
    }
}
