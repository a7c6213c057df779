//! The one table of the client's requests. Dispatch, types and schemas come from it.

use super::{
    Empty, RpcError, account, command, configuration, files, handshake, params::read, rows::table, thread, turn,
};
use crate::ids::SessionId;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A method: its name and the types of what goes in and comes out.
pub trait Method {
    /// The wire name.
    const NAME: &'static str;
    /// What goes in.
    type Params: DeserializeOwned + JsonSchema;
    /// What comes out.
    type Response: Serialize + JsonSchema;
}

/// Why a request cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No such method.
    Unknown,
    /// The params are not those of the method.
    Params(String),
}

impl CallError {
    /// What the client is told.
    #[must_use]
    pub fn told(&self, method: &str) -> RpcError {
        match self {
            Self::Unknown => RpcError::method_not_found(method),
            Self::Params(why) => RpcError::invalid_params(method, why),
        }
    }
}

macro_rules! methods {
    ($($(#[doc = $doc:literal])* $name:ident = $method:literal ($params:ty) -> $response:ty;)*) => {
        table! {
            /// A request of a client.
            ClientRequest { $($(#[doc = $doc])* $name = $method ($params) -> $response;)* }
        }

        impl ClientRequest {
            /// Every wire name.
            pub const METHODS: &'static [&'static str] = &[$($method),*];

            /// Reads the request of a method.
            ///
            /// # Errors
            /// There is no such method, or these are not its params.
            pub fn parse(method: &str, params: Option<&RawValue>) -> Result<Self, CallError> {
                match method {
                    $($method => read(params).map(Self::$name),)*
                    _ => Err(CallError::Unknown),
                }
            }
        }

        /// The methods as types.
        pub mod method {
            use super::*;
            $(
                $(#[doc = $doc])*
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Method for $name {
                    const NAME: &'static str = $method;
                    type Params = $params;
                    type Response = $response;
                }
            )*
        }
    };
}

impl ClientRequest {
    /// The thread that it is about, where it names one.
    #[must_use]
    pub fn thread(&self) -> Option<&SessionId> {
        match self {
            Self::ThreadResume(params) => Some(&params.thread_id),
            Self::ThreadFork(params) => Some(&params.thread_id),
            Self::ThreadRead(params) => Some(&params.thread_id),
            Self::ThreadArchive(params)
            | Self::ThreadUnarchive(params)
            | Self::ThreadDelete(params)
            | Self::ThreadUnsubscribe(params)
            | Self::ThreadCompactStart(params) => Some(&params.thread_id),
            Self::ThreadSetName(params) => Some(&params.thread_id),
            Self::ThreadTurnsList(params) | Self::ThreadItemsList(params) => Some(&params.thread_id),
            Self::ReviewStart(params) => Some(&params.thread_id),
            Self::TurnStart(params) => Some(&params.thread_id),
            Self::TurnInterrupt(params) => Some(&params.thread_id),
            Self::TurnSteer(params) => Some(&params.thread_id),
            _ => None,
        }
    }
}

methods! {
    /// The handshake; the first request of every connection.
    Initialize = "initialize" (handshake::InitializeParams) -> handshake::InitializeResponse;
    /// Makes a thread.
    ThreadStart = "thread/start" (Box<thread::ThreadStartParams>) -> thread::ThreadSession;
    /// Goes on with a thread.
    ThreadResume = "thread/resume" (Box<thread::ThreadResumeParams>) -> thread::ThreadResumeResponse;
    /// Makes a thread of what another one holds.
    ThreadFork = "thread/fork" (Box<thread::ThreadForkParams>) -> thread::ThreadSession;
    /// Pages through the threads that are kept.
    ThreadList = "thread/list" (thread::ThreadListParams) -> thread::ThreadListResponse;
    /// Looks at a thread.
    ThreadRead = "thread/read" (thread::ThreadReadParams) -> thread::ThreadResponse;
    /// Puts a thread away.
    ThreadArchive = "thread/archive" (thread::ThreadParams) -> Empty;
    /// Takes a thread out again.
    ThreadUnarchive = "thread/unarchive" (thread::ThreadParams) -> thread::ThreadResponse;
    /// Forgets a thread.
    ThreadDelete = "thread/delete" (thread::ThreadParams) -> Empty;
    /// Gives a thread a name.
    ThreadSetName = "thread/name/set" (thread::ThreadSetNameParams) -> Empty;
    /// The threads that are loaded.
    ThreadLoadedList = "thread/loaded/list" (thread::PageParams) -> thread::ThreadLoadedListResponse;
    /// Follows a thread no more.
    ThreadUnsubscribe = "thread/unsubscribe" (thread::ThreadParams) -> thread::ThreadUnsubscribeResponse;
    /// Sums a conversation up to make room.
    ThreadCompactStart = "thread/compact/start" (thread::ThreadParams) -> Empty;
    /// Pages through the turns of a thread.
    ThreadTurnsList = "thread/turns/list" (thread::HistoryParams) -> thread::ThreadTurnsListResponse;
    /// Pages through the items of a thread.
    ThreadItemsList = "thread/items/list" (thread::HistoryParams) -> thread::ThreadItemsListResponse;
    /// Starts a turn that reviews changes.
    ReviewStart = "review/start" (thread::ReviewStartParams) -> thread::ReviewStartResponse;
    /// Says something to a thread: to the turn that runs there, else to one that begins.
    TurnStart = "turn/start" (Box<turn::TurnStartParams>) -> turn::TurnStartResponse;
    /// Ends the turn that runs.
    TurnInterrupt = "turn/interrupt" (turn::TurnInterruptParams) -> Empty;
    /// Says something to the turn that runs.
    TurnSteer = "turn/steer" (turn::TurnSteerParams) -> turn::TurnSteerResponse;
    /// The models.
    ModelList = "model/list" (thread::PageParams) -> configuration::ModelListResponse;
    /// The providers of models.
    ModelProviderList = "modelProvider/list" (configuration::AnyParams) -> configuration::ModelProviderListResponse;
    /// The configuration as it now is.
    ConfigRead = "config/read" (configuration::ConfigReadParams) -> configuration::ConfigReadResponse;
    /// Named sets of permissions: llmx has none.
    PermissionProfileList = "permissionProfile/list" (configuration::AnyParams) -> configuration::EmptyListResponse;
    /// MCP servers: llmx has none.
    ListMcpServerStatus = "mcpServerStatus/list" (configuration::AnyParams) -> configuration::EmptyListResponse;
    /// Skills: llmx has none.
    SkillsList = "skills/list" (configuration::SkillsListParams) -> configuration::SkillsListResponse;
    /// Runs a command of the client's own.
    CommandExec = "command/exec" (Box<command::CommandExecParams>) -> command::CommandExecResponse;
    /// Ends such a command.
    CommandExecTerminate = "command/exec/terminate" (command::CommandExecProcessParams) -> Empty;
    /// Writes to such a command.
    CommandExecWrite = "command/exec/write" (command::CommandExecWriteParams) -> Empty;
    /// Resizes the terminal of such a command.
    CommandExecResize = "command/exec/resize" (command::CommandExecResizeParams) -> Empty;
    /// Finds files by what their paths may be.
    FuzzyFileSearch = "fuzzyFileSearch" (files::FuzzyFileSearchParams) -> files::FuzzyFileSearchResponse;
    /// Begins to look for files while somebody types what they may be called.
    FuzzyFileSearchSessionStart = "fuzzyFileSearch/sessionStart" (files::FuzzyFileSearchSessionStartParams) -> Empty;
    /// Looks for something else.
    FuzzyFileSearchSessionUpdate = "fuzzyFileSearch/sessionUpdate" (files::FuzzyFileSearchSessionUpdateParams) -> Empty;
    /// Looks no more.
    FuzzyFileSearchSessionStop = "fuzzyFileSearch/sessionStop" (files::FuzzyFileSearchSessionStopParams) -> Empty;
    /// Who is logged in.
    GetAccount = "account/read" (account::GetAccountParams) -> account::GetAccountResponse;
    /// Logs somebody in.
    LoginAccount = "account/login/start" (account::LoginAccountParams) -> account::LoginAccountResponse;
    /// Stops a login.
    CancelLoginAccount = "account/login/cancel" (account::CancelLoginAccountParams) -> account::CancelLoginAccountResponse;
    /// Logs out.
    LogoutAccount = "account/logout" (configuration::AnyParams) -> Empty;
    /// What is left of an account.
    GetAccountRateLimits = "account/rateLimits/read" (configuration::AnyParams) -> account::GetAccountRateLimitsResponse;
}
