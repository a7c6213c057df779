//! What a command sees of the engine's environment: the configuration table `shell_environment_policy`.

use super::pattern::NamePattern;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Which variables to begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    /// All of the engine's.
    #[default]
    All,
    /// Those a shell session cannot do without: [`CORE`].
    Core,
    /// None.
    None,
}

/// The variables of [`Inherit::Core`].
const CORE: [&str; 9] = ["HOME", "LOGNAME", "PATH", "SHELL", "USER", "USERNAME", "TMPDIR", "TEMP", "TMP"];

/// Dropped unless `ignore_default_excludes`: what usually holds a secret.
const DEFAULT_EXCLUDES: [&str; 3] = ["*KEY*", "*SECRET*", "*TOKEN*"];

/// Never inherited: the dynamic linker's variables, which would also reach into the helper, and the engine's own key.
const NEVER_INHERITED: [&str; 2] = ["LD_*", "LLMX_API_KEY"];

/// The table `[shell_environment_policy]` of `config.toml`, see [`child_environment`] for the order of its steps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ShellEnvironmentPolicy {
    /// Which variables to begin with.
    pub inherit: Inherit,
    /// Keeps variables whose names look like secrets.
    pub ignore_default_excludes: bool,
    /// Drops what matches any of these.
    pub exclude: Vec<NamePattern>,
    /// Adds or replaces variables, after the drops: the user's own word is not second-guessed.
    pub set: BTreeMap<String, String>,
    /// When not empty, keeps only what matches any of these, of `set` as well.
    pub include_only: Vec<NamePattern>,
}

/// The environment of a command, sorted by name, from the engine's environment `from`: inherit, drop the default
/// excludes, drop `exclude`, add `set`, keep `include_only`. The dynamic linker's `LD_…` variables and the engine's own
/// key come through no setting but `set`. A provider's key under a name that does not look like one is kept out by
/// adding that name to `exclude`.
#[must_use]
pub fn child_environment(
    policy: &ShellEnvironmentPolicy,
    from: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let dropped = dropped_names(policy);
    let inherited = from.filter(|(name, _)| is_inherited(policy.inherit, name) && !matches_any(&dropped, name));
    let mut environment: BTreeMap<OsString, OsString> = inherited.collect();
    environment.extend(policy.set.iter().map(|(name, value)| (name.into(), value.into())));
    if !policy.include_only.is_empty() {
        environment.retain(|name, _| matches_any(&policy.include_only, name));
    }
    environment.into_iter().collect()
}

fn dropped_names(policy: &ShellEnvironmentPolicy) -> Vec<NamePattern> {
    let secrets: &[&str] = if policy.ignore_default_excludes { &[] } else { &DEFAULT_EXCLUDES };
    let built_in = NEVER_INHERITED.iter().chain(secrets).map(|pattern| NamePattern::new(pattern));
    built_in.chain(policy.exclude.iter().cloned()).collect()
}

fn is_inherited(inherit: Inherit, name: &OsStr) -> bool {
    match inherit {
        Inherit::All => true,
        Inherit::Core => CORE.iter().any(|core| name == *core),
        Inherit::None => false,
    }
}

fn matches_any(patterns: &[NamePattern], name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    patterns.iter().any(|pattern| pattern.matches(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENGINE: [(&str, &str); 10] = [
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("LD_LIBRARY_PATH", "/evil"),
        ("LD_PRELOAD", "/evil.so"),
        ("LLMX_API_KEY", "sk-1"),
        ("OPENAI_API_KEY", "sk-2"),
        ("PATH", "/bin"),
        ("aws_secret", "s"),
        ("github_Token", "t"),
        ("mixedCase", "m"),
    ];

    fn policy(toml: &str) -> ShellEnvironmentPolicy {
        toml::from_str(toml).unwrap()
    }

    fn os(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn check(toml: &str, expected: &[(&str, &str)]) {
        assert_eq!(child_environment(&policy(toml), os(&ENGINE).into_iter()), os(expected), "{toml}");
    }

    #[test]
    fn each_step_does_what_the_reference_says() {
        check("", &[("HOME", "/root"), ("LANG", "C.UTF-8"), ("PATH", "/bin"), ("mixedCase", "m")]);
        check("inherit = 'all'\nexclude = ['h?me', 'P*']", &[("LANG", "C.UTF-8"), ("mixedCase", "m")]);
        check("inherit = 'core'", &[("HOME", "/root"), ("PATH", "/bin")]);
        check("inherit = 'none'", &[]);
        check(
            "ignore_default_excludes = true\nexclude = ['L*', 'H*', 'mixed*']",
            &[("OPENAI_API_KEY", "sk-2"), ("PATH", "/bin"), ("aws_secret", "s"), ("github_Token", "t")],
        );
        check("inherit = 'none'\nset = { CI = '1', MY_TOKEN = 'given' }", &[("CI", "1"), ("MY_TOKEN", "given")]);
        check("inherit = 'core'\nset = { PATH = '/mine' }", &[("HOME", "/root"), ("PATH", "/mine")]);
        check("inherit = 'none'\nset = { LD_PRELOAD = '/my.so' }", &[("LD_PRELOAD", "/my.so")]);
        check("include_only = ['PATH', 'm*']", &[("PATH", "/bin"), ("mixedCase", "m")]);
        check("set = { A = '1', B = '2' }\ninclude_only = ['b']", &[("B", "2")]);
        check("include_only = ['*KEY']", &[]);
    }

    #[test]
    fn a_name_that_is_not_utf8_is_kept_as_it_is() {
        use std::os::unix::ffi::OsStringExt;
        let odd = (OsString::from_vec(vec![0xff, b'X']), OsString::from_vec(vec![0xfe]));
        let kept = child_environment(&ShellEnvironmentPolicy::default(), std::iter::once(odd.clone()));
        assert_eq!(kept, [odd]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_inherited_secret_comes_through_by_default(name in "[A-Za-z_]{0,6}(KEY|Key|key|SECRET|sEcret|TOKEN|Token|token)[A-Za-z_]{0,6}") {
            let from = std::iter::once((OsString::from(name), OsString::from("value")));
            prop_assert_eq!(child_environment(&ShellEnvironmentPolicy::default(), from), []);
        }
    }
}
