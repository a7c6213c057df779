//! `llmx sandbox` as scripts use it: a command in front of which it stands cannot tell.

use crate::ground::{Ground, Policy, Who, llmx, text};
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

const ALL: &[Policy] = &[Policy::Full, Policy::ReadOnly, Policy::Workspace, Policy::WorkspaceOnline];

fn everywhere(mut check: impl FnMut(&Ground, Policy)) {
    for &who in Who::everybody() {
        for &policy in ALL {
            check(&Ground::new(who), policy);
        }
    }
}

fn streams(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn nothing_is_said_on_success() {
    everywhere(|ground, policy| {
        let output = ground.run(policy, "true");
        assert_eq!((output.status.code(), streams(&output)), (Some(0), Default::default()), "{policy:?}");
    });
}

#[test]
fn a_program_that_does_not_run_has_the_exit_code_that_shells_give_it() {
    everywhere(|ground, policy| {
        ground.prepare("echo > $WS/text; mkdir $WS/dir; printf '#!/no/such\n' > $WS/script; chmod 755 $WS/script");
        for (program, code, why) in [
            ("no-such-program", 127, "cannot run no-such-program: No such file"),
            ("./no-such-program", 127, "No such file"),
            ("./script", 127, "No such file"),
            ("./text", 126, "cannot run ./text: Permission denied"),
            ("./dir", 126, "Permission denied"),
            ("./text/x", 126, "Not a directory"),
        ] {
            let output = ground.llmx(policy).args(["--", program]).output().unwrap();
            let (said, complaint) = streams(&output);
            assert_eq!((output.status.code(), said.as_str()), (Some(code), ""), "{policy:?} {program}: {complaint}");
            assert!(complaint.starts_with("llmx: ") && complaint.contains(why), "{policy:?} {program}: {complaint}");
        }
    });
}

#[test]
fn what_was_asked_for_wrongly_is_refused_with_a_reason() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("touch $WS/file");
        for (arguments, code, why) in [
            (&["--policy", "bogus", "--", "echo", "ran"][..], 2, "bogus"),
            (&["--policy", "read-only", "echo", "ran"], 2, "unexpected argument"),
            (&["--policy", "read-only", "--"], 2, "a command is missing"),
            (&["--policy", "workspace-write"], 2, "a command is missing"),
            (&["--"], 2, "a command is missing"),
            (&["--no-such-option", "--", "echo", "ran"], 2, "unexpected argument"),
            (&["--policy", "workspace-write", "--cwd", "nowhere", "--", "echo", "ran"], 125, "cannot enter"),
            (&["--policy", "read-only", "--cwd", "nowhere", "--", "echo", "ran"], 125, "cannot enter"),
            (&["--policy", "danger-full-access", "--cwd", "file", "--", "echo", "ran"], 125, "cannot enter"),
            (&["--policy", "workspace-write", "--cwd", "file", "--", "echo", "ran"], 125, "cannot enter"),
            (&["--policy", "workspace-write", "--writable-root", "nowhere", "--", "echo", "ran"], 125, "writable root"),
            (&["--policy", "workspace-write", "--writable-root", "file", "--", "echo", "ran"], 125, "writable root"),
            (&["-c", "kill_grace_ms=soon", "--", "echo", "ran"], 125, "kill_grace_ms"),
            (&["--", ""], 127, "cannot run"),
        ] {
            let output = ground.as_user(&llmx()).arg("sandbox").args(arguments).output().unwrap();
            let (said, complaint) = streams(&output);
            assert_eq!((output.status.code(), said.as_str()), (Some(code), ""), "{arguments:?}: {complaint}");
            assert!(complaint.contains(why), "{arguments:?}: {complaint}");
        }
    }
}

#[test]
fn directories_may_be_relative_and_of_any_name() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("mkdir -p \"$OUT/one root\" $OUT/two $WS/sub; ln -s ../out/two $WS/link");
        let odd = ground.at("out").join(OsStr::from_bytes(b"\xff\n"));
        fs::create_dir_all(&odd).unwrap();
        if who == Who::Nobody {
            std::os::unix::fs::chown(&odd, Some(crate::ground::NOBODY), None).unwrap();
        }
        let mut command = ground.llmx(Policy::Workspace);
        command.args(["--cwd", "sub", "--writable-root", "../out/one root", "--writable-root", "link"]);
        command.arg("--writable-root").arg(&odd).args(["--", "sh", "-c"]);
        command.arg("pwd; echo x > here; echo x > \"$OUT/one root/x\"; echo x > $OUT/two/x; echo x > \"$1/x\"; echo x > ../beside");
        let output = command.arg("sh").arg(&odd).output().unwrap();
        assert!(text(&output).starts_with(&format!("{}\n", ground.at("ws/sub").display())), "{}", text(&output));
        for (path, written) in
            [("ws/sub/here", true), ("out/one root/x", true), ("out/two/x", true), ("ws/beside", false)]
        {
            assert_eq!(ground.at(path).exists(), written, "{who:?} {path}: {}", text(&output));
        }
        assert!(odd.join("x").exists(), "{}", text(&output));
    }
}

#[test]
fn the_words_arrive_as_they_are() {
    everywhere(|ground, policy| {
        let words: [&[u8]; 6] = [b"", b"--", b"a b", b"$(id) `id` *", b"\xff\n", b"--policy"];
        let mut command = ground.llmx(policy);
        let output = command.args(["--", "printf", "%s|"]).args(words.map(OsStr::from_bytes)).output().unwrap();
        assert_eq!(output.stdout, b"|--|a b|$(id) `id` *|\xff\n|--policy|", "{policy:?}");
    });
}

#[test]
fn large_binary_input_and_output_pass_whole() {
    everywhere(|ground, policy| {
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut command = ground.llmx(policy);
        let mut child = command.args(["--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || input.write_all(&sent));
        let mut seen = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut seen).unwrap();
        writer.join().unwrap().unwrap();
        assert!(child.wait().unwrap().success() && seen == bytes, "{policy:?}: {} bytes", seen.len());
    });
}

/// Closed by the shell, since std would not.
#[test]
fn closed_streams_are_no_obstacle() {
    everywhere(|ground, policy| {
        let mut llmx = ground.llmx(policy);
        llmx.args(["--", "sh", "-c", "cat; echo out; echo err >&2; exit 3"]);
        for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {closed}")).arg(llmx.get_program()).args(llmx.get_args());
            shell.env_clear().envs(llmx.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let output = shell.current_dir(ground.at("ws")).stdin(Stdio::null()).output().unwrap();
            assert_eq!(output.status.code(), Some(3), "{policy:?} {closed}: {}", text(&output));
        }
    });
}

#[test]
fn a_reader_that_leaves_ends_the_command() {
    everywhere(|ground, policy| {
        let mut command = ground.llmx(policy);
        let mut child = command.args(["--", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0; 2]).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(128 + 13), "{policy:?}");
    });
}

/// As `nohup` does it; std takes an ignored signal for its own children back.
#[test]
fn a_signal_that_llmx_ignores_does_not_reach_the_command() {
    everywhere(|ground, policy| {
        let mut llmx = ground.llmx(policy);
        llmx.args(["--", "sh", "-c", "echo ready; read line; echo $line"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(llmx.get_program()).args(llmx.get_args());
        shell.env_clear().envs(llmx.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(ground.at("ws")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 6]).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::HUP).unwrap();
        child.stdin.take().unwrap().write_all(b"alive\n").unwrap();
        let mut said = String::new();
        output.read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), "alive\n"), "{policy:?}");
    });
}

/// Nobody knows this user: no name, no home.
#[test]
fn a_user_without_name_or_home_gets_the_sandbox_too() {
    if !Who::everybody().contains(&Who::Root) {
        return;
    }
    let ground = Ground::new(Who::Nobody);
    for (cwd, script, code, expected) in [
        ("/", "id -u; head -c 1 /proc/self/status; echo x > $WS/new", 2, "4321\nN"),
        ("/var/tmp", "echo x > $OUT/new", 2, "Read-only file system"),
    ] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "4321", "--regid", "4321", "--clear-groups", "--"]).arg(llmx());
        command.args(["sandbox", "--", "sh", "-c", script]).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("WS", ground.at("ws")).env("OUT", ground.at("out"));
        let output = command.current_dir(cwd).output().unwrap();
        assert!(output.status.code() == Some(code) && text(&output).contains(expected), "{cwd}: {}", text(&output));
    }
}
