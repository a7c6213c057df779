//! Patterns for the names of environment variables.

use serde::Deserialize;

/// A case-insensitive glob: `*` is any text, `?` one character, everything else itself. It matches a whole name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct NamePattern {
    lower_case: Vec<char>,
}

impl From<String> for NamePattern {
    fn from(pattern: String) -> Self {
        Self::new(&pattern)
    }
}

impl NamePattern {
    /// Every text is a pattern.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self { lower_case: lower_case(pattern) }
    }

    /// Whether the whole of `name` fits. Takes at most (length of the pattern × length of the name) steps.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = lower_case(name);
        let (mut at_pattern, mut at_name) = (0, 0);
        let mut last_star: Option<(usize, usize)> = None;
        while at_name < name.len() {
            match self.lower_case.get(at_pattern) {
                Some('*') => {
                    last_star = Some((at_pattern + 1, at_name));
                    at_pattern += 1;
                }
                Some(&wanted) if wanted == '?' || wanted == name[at_name] => {
                    at_pattern += 1;
                    at_name += 1;
                }
                _ => {
                    // Only the last star can help: whatever an earlier one could take, this one can take too.
                    let Some((after_star, taken_to)) = last_star else {
                        return false;
                    };
                    last_star = Some((after_star, taken_to + 1));
                    (at_pattern, at_name) = (after_star, taken_to + 1);
                }
            }
        }
        self.lower_case[at_pattern..].iter().all(|&rest| rest == '*')
    }
}

fn lower_case(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(NamePattern::new(pattern).matches(name), expected, "{pattern:?} on {name:?}");
    }

    #[test]
    fn patterns_match_whole_names_in_any_case() {
        check("*KEY*", "OPENAI_API_KEY", true);
        check("*KEY*", "keyboard", true);
        check("*KEY*", "MONKEY", true);
        check("*KEY*", "KE_Y", false);
        check("PATH", "Path", true);
        check("PATH", "PATHS", false);
        check("LC_?", "LC_A", true);
        check("LC_?", "LC_", false);
        check("LC_?", "LC_ALL", false);
        check("?", "é", true);
        check("", "", true);
        check("", "A", false);
        check("*", "", true);
        check("**", "anything", true);
        check("A*B*C", "AxBxBxC", true);
        check("A*B*C", "AxBxBx", false);
        check("[A-Z]+", "ABC", false);
        check(".*", "ABC", false);
        check("*ä*", "GRÄTE", true);
    }

    fn matches_by_definition(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                matches_by_definition(rest, name) || (!name.is_empty() && matches_by_definition(pattern, &name[1..]))
            }
            (['?', pattern @ ..], [_, name @ ..]) => matches_by_definition(pattern, name),
            ([wanted, pattern @ ..], [is, name @ ..]) if wanted == is => matches_by_definition(pattern, name),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn the_matcher_follows_the_definition(pattern in "[ab*?]{0,8}", name in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(
                NamePattern::new(&pattern).matches(&name),
                matches_by_definition(&chars(&pattern), &chars(&name))
            );
        }
    }
}
