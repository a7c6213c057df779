//! Keys: a command reads what is on the disk, but it is not handed what the engine knows.

use crate::ground::{Ground, Policy, Who, text};
use std::io::Read;
use std::process::Stdio;

/// Root may look into any process; an ordinary user's command not even without a sandbox.
#[test]
fn the_environment_of_llmx_itself_is_not_to_be_read() {
    let secret = format!("hunter2-{}", std::process::id());
    let look = "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null";
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let mut shell = ground.as_user("sh".as_ref());
        let seen = text(&shell.args(["-c", look]).env("A_SECRET", &secret).output().unwrap());
        assert!(seen.contains(&secret), "{who:?}: no attack at all");
        for policy in [Policy::Full, Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline] {
            let seen = text(&ground.shell(policy, look).env("A_SECRET", &secret).output().unwrap());
            let may = policy == Policy::Full && who == Who::Root;
            assert_eq!(seen.contains(&secret), may, "{who:?}, {policy:?}");
        }
    }
}

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

/// What `llmx login` keeps: a command that has a network could take it anywhere.
#[test]
fn what_llmx_logs_in_with_is_not_to_be_read() {
    let look = "cat $LLMX_HOME/auth.json; cat $OUT/../home/.llmx/auth.json; cp $LLMX_HOME/auth.json $WS/copy; cat $WS/copy; \
                ln $LLMX_HOME/auth.json $WS/link; cat $WS/link; python3 -c \"print(open('$LLMX_HOME/auth.json').read())\"";
    for &who in Who::everybody() {
        for policy in [Policy::Full, Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline] {
            let ground = Ground::new(who);
            ground.prepare("printf '{\"tokens\":\"hunter2\"}' > $LLMX_HOME/auth.json; chmod 600 $LLMX_HOME/auth.json");
            let seen = text(&ground.run(policy, look));
            assert_eq!(seen.contains("hunter2"), policy == Policy::Full, "{who:?}, {policy:?}: {seen}");
            let is_told = seen.contains("auth.json: Permission denied");
            assert_eq!(is_told, policy != Policy::Full, "{who:?}, {policy:?}: {seen}");
            let kept = std::fs::read_to_string(ground.at("home/.llmx/auth.json")).unwrap();
            assert_eq!(kept, "{\"tokens\":\"hunter2\"}", "{who:?}, {policy:?}");
        }
    }
}

/// llmx renews its tokens, or somebody logs in, while a command waits for it.
#[test]
fn what_takes_the_place_of_the_credentials_is_not_to_be_read_either() {
    let look = "echo ready; until test -e $OUT/go; do sleep 0.01; done; cat $LLMX_HOME/auth.json $LLMX_HOME/.auth.json.* \
                $OUT/../home/.llmx/auth.json; cat $LLMX_HOME/config.toml";
    for (before, change) in [
        ("echo old > $LLMX_HOME/auth.json", "echo hunter2 > $LLMX_HOME/.auth.json.1"),
        ("echo old > $LLMX_HOME/auth.json", "echo hunter2 > $LLMX_HOME/x; mv $LLMX_HOME/x $LLMX_HOME/auth.json"),
        ("echo old > $LLMX_HOME/auth.json", "rm $LLMX_HOME/auth.json; echo hunter2 > $LLMX_HOME/auth.json"),
        ("true", "echo hunter2 > $LLMX_HOME/auth.json"),
    ] {
        for &who in Who::everybody() {
            for policy in [Policy::Full, Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline] {
                let ground = Ground::new(who);
                ground.prepare(&format!("{before}; echo '# seen' > $LLMX_HOME/config.toml"));
                let mut command = ground.shell(policy, look);
                let mut llmx = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                let mut ready = [0; 6];
                llmx.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
                ground.prepare(&format!("{change}; touch $OUT/go"));
                let seen = text(&llmx.wait_with_output().unwrap());
                assert_eq!(seen.contains("hunter2"), policy == Policy::Full, "{who:?}, {policy:?}, {change}: {seen}");
                assert!(seen.contains("# seen"), "{who:?}, {policy:?}, {change}: {seen}");
            }
        }
    }
}

/// As servers do it whose homes are on another disk.
#[test]
fn a_home_that_is_mounted_twice_is_hidden_twice() {
    if !Who::everybody().contains(&Who::Root) {
        return;
    }
    for (policy, seen_there) in
        [(Policy::Full, true), (Policy::ReadOnly, false), (Policy::Workspace, false), (Policy::WorkspaceOnline, false)]
    {
        let ground = Ground::new(Who::Root);
        ground.prepare(
            "mkdir \"$OUT/a b\" $OUT/c; echo hunter2 > $LLMX_HOME/auth.json; echo '# seen' > $LLMX_HOME/config.toml",
        );
        let look = "cat \"$OUT/a b/.llmx/auth.json\" $OUT/c/auth.json; cat $OUT/c/config.toml";
        let script = format!(
            "mount --bind $HOME \"$OUT/a b\"; mount --bind $LLMX_HOME $OUT/c; exec {} sandbox {} -- sh -c '{look}'",
            crate::ground::llmx().display(),
            policy.arguments().join(" ")
        );
        let mut unshare = ground.as_user("unshare".as_ref());
        let seen = text(&unshare.args(["--mount", "--propagation", "private", "sh", "-c", &script]).output().unwrap());
        assert_eq!(seen.contains("hunter2"), seen_there, "{policy:?}: {seen}");
        assert!(seen.contains("# seen"), "{policy:?}: {seen}");
    }
}

/// Whoever holds the lock keeps llmx from renewing its tokens.
#[test]
fn the_lock_of_the_credentials_is_out_of_reach() {
    for &who in Who::everybody() {
        for policy in [Policy::Full, Policy::ReadOnly, Policy::Workspace] {
            let ground = Ground::new(who);
            ground.prepare(": > $LLMX_HOME/auth.lock");
            let output = ground.run(policy, "flock -n $LLMX_HOME/auth.lock echo locked");
            assert_eq!(text(&output).contains("locked\n"), policy == Policy::Full, "{who:?}, {policy:?}");
        }
    }
}

/// What else is in the home is seen as it is, and a workspace in there is one.
#[test]
fn the_rest_of_the_home_is_there() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare(
            "cd $LLMX_HOME; echo k > auth.json; mkdir -p sessions/2026 inner; echo text > sessions/2026/a; ln -s sessions/2026 now; \
             mkfifo pipe",
        );
        let mut command = ground.llmx(Policy::Workspace);
        command.arg("--cwd").arg(ground.at("home/.llmx/inner"));
        let script = "cat $LLMX_HOME/now/a; echo new > file; ls -A $LLMX_HOME; \
                      echo x > $LLMX_HOME/y; echo x > $LLMX_HOME/sessions/2026/a; mkdir $LLMX_HOME/inner/.git/x";
        let output = command.args(["--", "sh", "-c", script]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).starts_with("text\n"), "{who:?}: {}", text(&output));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).lines().skip(1).collect::<Vec<_>>(),
            ["auth.json", "inner", "now", "sessions"],
            "{who:?}"
        );
        assert!(ground.at("home/.llmx/inner/file").exists(), "{who:?}: {}", text(&output));
        assert!(!ground.at("home/.llmx/y").exists() && !ground.at("home/.llmx/inner/.git").exists(), "{who:?}");
        assert_eq!(std::fs::read_to_string(ground.at("home/.llmx/sessions/2026/a")).unwrap(), "text\n", "{who:?}");
    }
}
