//! What is known of models by their names. Data; an unknown model works, with nothing known of it.

/// What is known of a family of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Names that begin with this belong to it.
    pub prefix: &'static str,
    /// Whether it takes `reasoning` settings.
    pub reasons: bool,
    /// Its window in tokens.
    pub context_window: Option<i64>,
}

/// Longer prefixes come before their own beginnings (reference `model-wire.md` §9).
const FAMILIES: [Family; 12] = [
    family("gpt-oss", true, 96_000),
    family("gpt-5", true, 272_000),
    family("llmx-mini-latest", true, 200_000),
    family("llmx-", true, 272_000),
    family("o3", true, 200_000),
    family("o4-mini", true, 200_000),
    family("gpt-4.1", false, 1_047_576),
    family("gpt-4o", false, 128_000),
    family("gpt-3.5-turbo", false, 16_385),
    // Whoever wants them to think says so to the proxy in front of them.
    family("claude-", false, 200_000),
    family("gemini-2", false, 1_048_576),
    family("gemini-3", false, 1_048_576),
];

const fn family(prefix: &'static str, reasons: bool, context_window: i64) -> Family {
    Family { prefix, reasons, context_window: Some(context_window) }
}

/// Names of models that were trained to write patches as the bare input of a freeform tool. Reference `model-wire.md`
/// §9, and the names that the same models have elsewhere.
const FREEFORM_PATCHES: [&str; 5] =
    ["gpt-5-llmx", "gpt-5-codex", "gpt-5.1-codex", "llmx-", "anthropic/claude-sonnet-4-20250514"];

/// Whether a model is better offered patches as a freeform tool than as a function.
#[must_use]
pub fn writes_freeform_patches(model: &str) -> bool {
    FREEFORM_PATCHES.iter().any(|prefix| model.starts_with(prefix)) && !model.starts_with("llmx-mini-latest")
}

/// The family of a model. Proxies put the way to it before its name: `openrouter/openai/gpt-5`, `bedrock/eu.anthropic.claude-x`.
#[must_use]
pub fn of(model: &str) -> Family {
    let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
    let name = name.split_once("anthropic.").map_or(name, |(_, name)| name);
    let known = FAMILIES.into_iter().find(|f| name.starts_with(f.prefix));
    known.unwrap_or(Family { prefix: "", reasons: false, context_window: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_known_by_its_prefix() {
        assert_eq!(of("gpt-5-llmx").context_window, Some(272_000));
        for known in ["openai/gpt-5", "openrouter/openai/gpt-5", "azure/gpt-4o", "ollama/gpt-oss:20b"] {
            let (_, name) = known.rsplit_once('/').unwrap();
            assert_eq!(of(known), of(name), "{known}");
            assert_ne!(of(known).context_window, None, "{known}");
        }
        for claude in ["claude-x", "anthropic/claude-sonnet-4-20250514", "bedrock/eu.anthropic.claude-x-v1:0"] {
            assert_eq!((of(claude).context_window, of(claude).reasons), (Some(200_000), false), "{claude}");
        }
        assert_eq!(of("vertex_ai/gemini-2.5-pro").context_window, Some(1_048_576));
        assert_eq!(of("llmx-mini-latest-2").context_window, Some(200_000));
        assert!(of("o3-pro").reasons);
        assert!(!of("gpt-4o-mini").reasons);
        assert!(writes_freeform_patches("gpt-5-llmx-high") && writes_freeform_patches("llmx-2"));
        for model in ["gpt-5", "llmx-mini-latest", "gpt-oss:20b", "SmolLM2"] {
            assert!(!writes_freeform_patches(model), "{model}");
        }
        assert_eq!(of("SmolLM2"), Family { prefix: "", reasons: false, context_window: None });
    }
}
