//! What people do all day must work.

use crate::ground::{Ground, Policy, Who, text};
use std::process::Command;

fn is_there(program: &str) -> bool {
    let mut look = Command::new("sh");
    look.env("PATH", "/usr/local/bin:/usr/bin:/bin").args(["-c", &format!("command -v {program}")]);
    look.output().unwrap().status.success()
}

fn check(program: &str, policy: Policy, script: &str, expected: &str) {
    if !is_there(program) {
        return eprintln!("skipped: this machine has no {program}");
    }
    for &who in Who::everybody() {
        let seen = text(&Ground::new(who).run(policy, script));
        assert!(seen.contains(expected), "{who:?}: {script}: {seen}");
    }
}

#[test]
fn shells_pipes_and_files() {
    check(
        "sh",
        Policy::Workspace,
        "echo a > f && cat f | tr a b > g && mv g h && cat h && rm f && mkdir d && mv h d && echo done",
        "b\ndone",
    );
    check(
        "sh",
        Policy::ReadOnly,
        "echo a | cat > /dev/null && head -c 4 /dev/urandom | wc -c && ls / > /dev/null && echo done",
        "4\ndone",
    );
    check("sh", Policy::Workspace, "(echo x > /dev/stdout; echo y > /dev/stderr) 2>&1 | cat", "x\ny\n");
    check("mktemp", Policy::Workspace, "mkdir t; TMPDIR=$PWD/t mktemp && echo done", "done");
    check("mkfifo", Policy::Workspace, "mkfifo p; echo x > p & cat p", "x");
    check("nproc", Policy::ReadOnly, "grep -c processor /proc/cpuinfo && cat /proc/self/comm", "cat");
}

#[test]
fn what_shells_and_scripts_look_for_is_there() {
    check(
        "bash",
        Policy::ReadOnly,
        "bash -c 'cat <(echo a) /dev/fd/3 3< <(echo b)'; echo c | cat /dev/stdin",
        "a\nb\nc\n",
    );
    check("ps", Policy::ReadOnly, "ps -e -o comm= | sort", "llmx-init\nps\n");
    check("ls", Policy::ReadOnly, "ls /proc/self/ /sys/class /dev/pts > /dev/null && echo seen", "seen");
    check("locale", Policy::ReadOnly, "locale > /dev/null && echo said", "said");
    check("script", Policy::Workspace, "script -qc 'test -t 1 && echo a terminal' log", "a terminal");
    check("df", Policy::ReadOnly, "df . > /dev/null && mount > /dev/null; echo $?", "0");
    check("getent", Policy::WorkspaceOnline, "getent hosts localhost", "localhost");
}

/// Within the toolchain that runs these tests, which an ordinary user may not reach.
#[test]
fn a_crate_is_built() {
    if Who::everybody().contains(&Who::Nobody) && std::path::Path::new(env!("CARGO")).starts_with("/root") {
        eprintln!("skipped for ordinary users: the toolchain is root's");
    }
    let ground = Ground::new(Who::everybody()[0]);
    let bin = std::path::Path::new(env!("CARGO")).parent().unwrap().display().to_string();
    ground.prepare("mkdir $WS/src; echo 'fn main() { println!(\"built\"); }' > $WS/src/main.rs; printf '[package]\\nname = \"x\"\\nedition = \"2024\"\\n' > $WS/Cargo.toml");
    let mut command = ground.shell(Policy::Workspace, "cargo run --offline --quiet");
    let output = command.env("PATH", format!("{bin}:/usr/bin:/bin")).output().unwrap();
    assert_eq!(text(&output), "built\n");
}

/// A development server, seen from a browser.
#[test]
fn with_a_network_a_server_within_is_reached_from_outside() {
    if !is_there("python3") {
        return eprintln!("skipped: this machine has no python3");
    }
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let serve = "import http.server, sys\ns = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)\nprint(s.server_port, flush=True)\ns.handle_request()";
        ground.prepare("echo served > $WS/page");
        let mut command = ground.llmx(Policy::WorkspaceOnline);
        command
            .args(["--", "python3", "-c", serve])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null());
        let mut server = command.spawn().unwrap();
        let mut port = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut port).unwrap();
        let mut browser = std::net::TcpStream::connect(format!("127.0.0.1:{}", port.trim())).unwrap();
        std::io::Write::write_all(&mut browser, b"GET /page HTTP/1.0\r\n\r\n").unwrap();
        let mut page = String::new();
        std::io::Read::read_to_string(&mut browser, &mut page).unwrap();
        assert!(page.ends_with("served\n"), "{who:?}: {page}");
        assert!(server.wait().unwrap().success());
    }
}

/// There are no namespaces to be had within: what needs them says so, what can do with less says that.
#[test]
fn a_sandbox_within_a_sandbox() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        let llmx = crate::ground::llmx().display().to_string();
        let seen = text(&ground.run(Policy::Workspace, &format!("{llmx} sandbox -- echo ran")));
        assert!(
            seen.contains("degraded sandbox: sandbox: cannot create namespaces") && seen.contains("ran\n"),
            "{seen}"
        );
        let output = ground.run(Policy::Workspace, &format!("{llmx} sandbox --policy workspace-write -- echo ran"));
        assert_eq!((output.status.code(), text(&output).contains("ran")), (Some(125), false), "{}", text(&output));
    }
}

#[test]
fn the_temporary_directory_is_writable() {
    for &who in Who::everybody() {
        let ground = Ground::new(who);
        ground.prepare("mkdir $OUT/tmp");
        let output = ground
            .shell(Policy::Workspace, "echo x > $TMPDIR/new")
            .env("TMPDIR", ground.at("out/tmp"))
            .output()
            .unwrap();
        assert!(ground.at("out/tmp/new").exists(), "{}", text(&output));
        let mut command = ground.llmx(Policy::Workspace);
        command.args(["--exclude-tmpdir-env-var", "--", "sh", "-c", "echo x > $TMPDIR/other"]);
        command.env("TMPDIR", ground.at("out/tmp")).output().unwrap();
        assert!(!ground.at("out/tmp/other").exists());
    }
}

#[test]
fn slash_tmp_is_writable_unless_it_is_excluded() {
    for &who in Who::everybody() {
        let name = format!("/tmp/llmx-test-{}-{who:?}", std::process::id());
        let ground = Ground::new(who);
        ground.run(Policy::Workspace, &format!("echo x > {name}"));
        assert!(!std::fs::exists(&name).unwrap());
        let mut command = ground.as_user(&crate::ground::llmx());
        command.args(["sandbox", "--policy", "workspace-write", "--", "sh", "-c", &format!("echo x > {name}")]);
        let output = command.output().unwrap();
        assert!(std::fs::exists(&name).unwrap(), "{who:?}: {}", text(&output));
        std::fs::remove_file(&name).unwrap();
    }
}

#[test]
fn compilers_and_builds() {
    check("gcc", Policy::Workspace, "echo 'int main(){return 42;}' > a.c && gcc a.c -o a && ./a; echo $?", "42");
    check(
        "make",
        Policy::Workspace,
        "printf 'all: a b c\\na b c:\\n\\t@touch $@\\n' > Makefile && make -j4 && ls",
        "a\nb\nc\n",
    );
    check(
        "git",
        Policy::Workspace,
        "mkdir repo && cd repo && git init -q . && touch f && git add f && git -c user.name=a -c user.email=a commit -qm x && git log --format=%s",
        "x",
    );
}

#[test]
fn python() {
    let python = |program: &str| format!("python3 - <<'E'\n{program}\nE");
    check(
        "python3",
        Policy::Workspace,
        &python(
            "import multiprocessing as m\nwith m.get_context('fork').Pool(2) as p: print(sum(p.map(abs, range(-9, 0))))",
        ),
        "45",
    );
    check(
        "python3",
        Policy::ReadOnly,
        &python(
            "import asyncio, threading\nasync def f():\n  e = asyncio.Event(); l = asyncio.get_running_loop()\n  threading.Timer(0.01, lambda: l.call_soon_threadsafe(e.set)).start()\n  await asyncio.wait_for(e.wait(), 20)\n  p = await asyncio.create_subprocess_exec('echo', 'sub'); await p.wait(); print('woken')\nasyncio.run(f())",
        ),
        "woken",
    );
    check(
        "python3",
        Policy::ReadOnly,
        &python("import pty, os\npty.spawn(['sh', '-c', 'test -t 1 && echo a terminal'])"),
        "a terminal",
    );
    check(
        "python3",
        Policy::WorkspaceOnline,
        &python(
            "import multiprocessing as m\nif __name__ == '__main__':\n  with m.Manager() as g: l = g.list([1]); l.append(2); print(list(l))",
        ),
        "[1, 2]",
    );
    check(
        "python3",
        Policy::WorkspaceOnline,
        &python(
            "import socket, threading\ns = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\nthreading.Thread(target=lambda: s.accept()[0].sendall(b'served')).start()\nprint(socket.create_connection(s.getsockname()).recv(9))",
        ),
        "served",
    );
}

#[test]
fn node() {
    check(
        "node",
        Policy::Workspace,
        "node -e 'console.log(require(\"child_process\").execSync(\"echo sync\").toString())'",
        "sync",
    );
    check(
        "node",
        Policy::ReadOnly,
        "node -e 'new (require(\"worker_threads\").Worker)(\"console.log(1+1)\", {eval: true}); console.log(require(\"os\").userInfo().username)'",
        "2",
    );
}
