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
