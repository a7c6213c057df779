//! Keys: a command reads what is on the disk, but it is not handed what the engine knows.

use crate::ground::{Ground, Policy, Who, text};

#[test]
fn keys_are_not_in_the_environment() {
    for &who in Who::everybody() {
        for policy in [None, Some(Policy::Full), Some(Policy::ReadOnly), Some(Policy::Workspace)] {
            let ground = Ground::new(who);
            let mut command = policy.map_or_else(|| ground.as_user("env".as_ref()), |policy| ground.llmx(policy));
            command.env("OPENAI_API_KEY", "sk-one").env("MY_TOKEN", "sk-two").env("LLMX_API_KEY", "sk-three");
            command.env("LD_PRELOAD_X", "sk-four").env("A_SECRET_B", "sk-five");
            if policy.is_some() {
                command.args(["--", "sh", "-c", "env; cat /proc/*/environ"]);
            }
            let seen = text(&command.output().unwrap());
            // The engine's own environment is within reach of a command that is not confined.
            let own = seen.lines().filter(|line| line.starts_with("OPENAI") || line.starts_with("MY_TOKEN")).count();
            assert_eq!(own > 0, policy.is_none(), "{who:?}, {policy:?}: {seen}");
            if policy.is_some_and(|policy| policy != Policy::Full) {
                assert!(!seen.contains("sk-"), "{who:?}, {policy:?}: {seen}");
            }
        }
    }
}
