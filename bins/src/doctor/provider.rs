//! The model providers, and whether their keys are there. The keys themselves are never shown.

use super::check::Check;
use llmx_actors::config::{Config, Environment, ProviderInfo};

/// `login`: whether somebody is logged in, whose credentials some providers take.
pub(super) fn all(config: &Config, environment: &Environment, login: bool) -> Vec<Check> {
    let key = |provider| Key::of(provider, environment).or_login(provider, login);
    let providers = config.providers.iter();
    providers.map(|(id, provider)| one(id, provider, &key(provider), config)).collect()
}

fn one(id: &str, provider: &ProviderInfo, key: &Key, config: &Config) -> Check {
    let (name, in_use) = (format!("provider {id}"), *id == config.model_provider);
    let place = format!("{}{}", without_credentials(&provider.base_url), key.said());
    let check = match (key, in_use) {
        (Key::Missing(_), true) => Check::broken(name, format!("{place} (in use)")),
        (_, true) => Check::ok(name, format!("{place} (in use, model {})", config.model)),
        (Key::Missing(_), false) => Check::note(name, place),
        _ => Check::ok(name, place),
    };
    check
        .with("base_url", without_credentials(&provider.base_url))
        .with("in_use", in_use)
        .with("key_variable", provider.env_key.clone())
        .with("key_present", matches!(key, Key::InConfiguration | Key::InVariable(_) | Key::OfLogin))
        .with("key_required", provider.env_key_required)
}

enum Key {
    /// Nobody asks for one.
    NotNeeded,
    InConfiguration,
    InVariable(String),
    /// It can do without.
    Absent(String),
    Missing(String),
    /// `llmx login` got one.
    OfLogin,
}

impl Key {
    fn of(provider: &ProviderInfo, environment: &Environment) -> Self {
        match (&provider.experimental_bearer_token, &provider.env_key) {
            (Some(_), _) => Self::InConfiguration,
            (None, None) => Self::NotNeeded,
            (None, Some(name)) if environment.value(name).is_some() => Self::InVariable(name.clone()),
            (None, Some(name)) if provider.env_key_required => Self::Missing(name.clone()),
            (None, Some(name)) => Self::Absent(name.clone()),
        }
    }

    fn or_login(self, provider: &ProviderInfo, login: bool) -> Self {
        match self {
            Self::NotNeeded | Self::Absent(_) | Self::Missing(_) if provider.requires_openai_auth && login => {
                Self::OfLogin
            }
            key => key,
        }
    }

    fn said(&self) -> String {
        match self {
            Self::NotNeeded => ", no key needed".to_owned(),
            Self::InConfiguration => ", key in config.toml".to_owned(),
            Self::InVariable(name) => format!(", key in {name}"),
            Self::Absent(name) => format!(", no key in {name}"),
            Self::Missing(name) => format!(", the key is missing: set {name}"),
            Self::OfLogin => ", with the credentials of llmx login".to_owned(),
        }
    }
}

/// `https://user:password@host` is a way to write one down.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let path = path.split('?').next().unwrap_or(path);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_is_secret_in_it() {
        for (url, shown) in [
            ("https://api.example.com/v1", "https://api.example.com/v1"),
            ("https://u:hunter2@api.example.com/v1", "https://api.example.com/v1"),
            ("https://u:hun@ter2@h", "https://h"),
            ("http://h:80/v1?key=hunter2", "http://h:80/v1"),
            ("replay:", "replay:"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
