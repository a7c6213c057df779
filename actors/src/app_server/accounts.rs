//! Who is logged in, for clients. The answers and facts are those of [`crate::auth`].

use super::{AppServerOptions, caller::Caller, configuration, messages::Announce};
use crate::auth::{Account, AccountFact, Accounts, AccountsGone, Answer, NewLogin, Started};
use actix::{Recipient, WeakRecipient};
use llmx_protocol::wire::rpc::{
    Empty, RpcError, ServerNotification,
    account::{
        self as wire, AccountLoginCompletedNotification, AccountUpdatedNotification, AuthMode,
        CancelLoginAccountParams, CancelLoginAccountResponse, CancelLoginAccountStatus, GetAccountRateLimitsResponse,
        GetAccountResponse, LoginAccountParams, LoginAccountResponse,
    },
    method,
};
use llmx_protocol::{machine::login::Refusal, wire::usage::RateLimitSnapshot};

/// Tells every client what becomes of accounts, as long as the server is there; a keeper that follows one that crashed is
/// listened to as well.
pub(super) async fn announce_facts(accounts: Accounts, server: WeakRecipient<Announce>) {
    let listener = || {
        let server = server.clone();
        move |fact: &AccountFact| {
            let server: Option<Recipient<Announce>> = server.upgrade();
            if let Some(server) = &server {
                server.do_send(Announce(notification(fact)));
            }
            server.is_some()
        }
    };
    accounts.follow(listener).await;
}

fn notification(fact: &AccountFact) -> ServerNotification {
    match fact {
        AccountFact::LoginCompleted { login, error } => {
            ServerNotification::AccountLoginCompleted(AccountLoginCompletedNotification {
                login_id: login.clone(),
                success: error.is_none(),
                error: error.clone(),
                onboarding_entrypoint: (),
            })
        }
        AccountFact::Updated(account) => ServerNotification::AccountUpdated(AccountUpdatedNotification {
            auth_mode: account.as_ref().map(|account| match account {
                Account::ApiKey => AuthMode::ApiKey,
                Account::ChatGpt { .. } => AuthMode::ChatGpt,
            }),
            plan_type: match account {
                Some(Account::ChatGpt { plan, .. }) => plan.clone(),
                _ => None,
            },
        }),
    }
}

/// Who is logged in, where the configured provider asks for it: with a login, or else with a key of its own.
pub(super) async fn read(options: AppServerOptions, renew: bool, caller: Caller) {
    let wanted = configuration::wants_account(&options);
    let logged_in = if wanted { options.engine.accounts().account(renew).await } else { Ok(None) };
    match logged_in {
        Err(why) => caller.refuse(&RpcError::internal(why)),
        Ok(account) => {
            let has_key = wanted && configuration::has_key(&options);
            let account = account.map(told).or_else(|| has_key.then_some(wire::Account::ApiKey {}));
            let response =
                GetAccountResponse { account, user_id: (), requires_openai_auth: wanted, workspace_routing: () };
            caller.answer(method::GetAccount, &response);
        }
    }
}

fn told(account: Account) -> wire::Account {
    match account {
        Account::ApiKey => wire::Account::ApiKey {},
        Account::ChatGpt { email, plan } => {
            wire::Account::ChatGpt { email, plan_type: plan.unwrap_or_else(|| "unknown".to_owned()) }
        }
    }
}

pub(super) fn log_in(accounts: &Accounts, params: LoginAccountParams, caller: Caller) {
    let login = match params {
        LoginAccountParams::ApiKey { api_key } => NewLogin::ApiKey(api_key.into()),
        LoginAccountParams::ChatGpt {} => NewLogin::Browser,
        LoginAccountParams::DeviceCode {} => NewLogin::DeviceCode,
    };
    accounts.start_login(
        login,
        Answer::to(|answer: Result<Result<Started, Refusal>, AccountsGone>| match answer {
            Ok(Ok(started)) => caller.answer(method::LoginAccount, &to_do(started)),
            Ok(Err(refusal)) => caller.refuse(&RpcError::invalid_request(refusal.to_string())),
            Err(gone) => caller.refuse(&RpcError::internal(gone.to_string())),
        }),
    );
}

fn to_do(started: Started) -> LoginAccountResponse {
    match started {
        Started::ApiKey => LoginAccountResponse::ApiKey {},
        Started::Browser { login, auth_url } => LoginAccountResponse::ChatGpt { login_id: login, auth_url },
        Started::DeviceCode { login, verification_url, user_code } => {
            LoginAccountResponse::DeviceCode { login_id: login, verification_url, user_code }
        }
    }
}

pub(super) fn cancel(accounts: &Accounts, params: CancelLoginAccountParams, caller: Caller) {
    accounts.cancel_login(
        params.login_id,
        Answer::to(|answer| match answer {
            Ok(found) => {
                let status =
                    if found { CancelLoginAccountStatus::Canceled } else { CancelLoginAccountStatus::NotFound };
                caller.answer(method::CancelLoginAccount, &CancelLoginAccountResponse { status });
            }
            Err(gone) => caller.refuse(&RpcError::internal(gone.to_string())),
        }),
    );
}

pub(super) fn log_out(accounts: &Accounts, caller: Caller) {
    accounts.log_out(Answer::to(|answer| match answer {
        Ok(Ok(_)) => caller.answer(method::LogoutAccount, &Empty {}),
        Ok(Err(why)) => caller.refuse(&RpcError::internal(format!("logout failed: {why}"))),
        Err(gone) => caller.refuse(&RpcError::internal(gone.to_string())),
    }));
}

/// The limits of an account. llmx does not ask for them: what a model's answer says of them is told as it comes, by
/// `account/rateLimits/updated`, and `last` again here. Before the first answer nothing is known.
pub(super) async fn read_rate_limits(accounts: Accounts, last: Option<RateLimitSnapshot>, caller: Caller) {
    let refusal = match accounts.account(false).await {
        Ok(None) => RpcError::invalid_request("llmx account authentication required to read rate limits"),
        Ok(Some(Account::ApiKey)) => RpcError::invalid_request("chatgpt authentication required to read rate limits"),
        Ok(Some(Account::ChatGpt { .. })) => {
            let rate_limits = last.unwrap_or_default().into();
            return caller.answer(method::GetAccountRateLimits, &GetAccountRateLimitsResponse { rate_limits });
        }
        Err(why) => RpcError::internal(why),
    };
    caller.refuse(&refusal);
}
