#!/usr/bin/env python3
"""The official Python SDK of another engine, PyPI `openai-codex`, drives `llmx app-server` as its binary: streamed text, a
command, approvals given and refused, a patch, an interrupt, a steer, resume, list, fork, structured output.

    python3 tests/live/official_python_sdk.py [--llmx PATH]

Installs the SDK below target/live unless it is there; where it cannot be had, says SKIPPED and leaves with 77. Not part of
the everyday suite. Exit code 0 if every job is done.
"""
import argparse
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = f"{ROOT}/target/live/openai-codex"
SKIPPED = 77


def inside_venv():
    """Goes on in a Python that has the SDK."""
    python = f"{VENV}/bin/python"
    if sys.prefix == VENV:
        return
    try:
        if not os.path.exists(f"{VENV}/installed"):
            subprocess.check_call([sys.executable, "-m", "venv", VENV])
            subprocess.check_call([f"{VENV}/bin/pip", "install", "-q", "openai-codex==0.163.0"])
            open(f"{VENV}/installed", "w").close()
    except (subprocess.CalledProcessError, OSError) as why:
        print(f"SKIPPED: openai-codex cannot be installed: {why}")
        sys.exit(SKIPPED)
    os.execv(python, [python, *sys.argv])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--llmx", default=f"{ROOT}/target/debug/llmx")
    llmx = os.path.abspath(parser.parse_args().llmx)
    inside_venv()
    sys.path.insert(0, HERE)
    import scripted_model
    from openai_codex import Codex, CodexConfig, Sandbox
    from openai_codex.client import CodexClient

    home, work = tempfile.mkdtemp(prefix="llmx-home-"), tempfile.mkdtemp(prefix="llmx-work-")
    scripted_model.write_config(home, scripted_model.start(), "danger-full-access")
    environment = {"LLMX_HOME": home, "HOME": home, "PATH": os.environ["PATH"]}
    config = CodexConfig(codex_bin=llmx, cwd=work, env=environment)

    def job(name, fine, seen=""):
        print(f"{'ok  ' if fine else 'FAIL'} {name} {'' if fine else seen}")
        failed.extend([] if fine else [name])

    failed = []
    with Codex(config) as codex:
        thread = codex.thread_start()
        result = thread.run("SAY_HELLO please")
        job("text", result.final_response == "Hello from the model.", result)
        deltas = [n.payload.delta for n in thread.turn("SAY_HELLO").stream() if n.method == "item/agentMessage/delta"]
        job("streamed text", deltas == ["Hello ", "from ", "the ", "model."], deltas)
        result = thread.run("RUN_SHELL")
        commands = [i.root for i in result.items if i.root.type == "commandExecution"]
        job("command", [c.aggregated_output for c in commands] == ["shell-ok-42\n"], result)
        result = thread.run("APPLY_PATCH")
        changes = [i.root for i in result.items if i.root.type == "fileChange"]
        patched = os.path.exists(f"{work}/patched.txt")
        job("patch", patched and [c.changes[0].path for c in changes] == [f"{work}/patched.txt"], result)
        schema = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"],
                  "additionalProperties": False}
        job("structured output", thread.run("STRUCTURED", output_schema=schema).final_response == '{"answer": 42}')
        turn = thread.turn("SLOW")
        notes = turn.stream()
        next(n for n in notes if n.method == "item/agentMessage/delta")
        turn.interrupt()
        last = [n for n in notes if n.method == "turn/completed"][-1]
        job("interrupt", last.payload.turn.status.value == "interrupted", last)
        turn = thread.turn("SLOW")
        notes = turn.stream()
        next(n for n in notes if n.method == "item/agentMessage/delta")
        turn.steer("SAY_HELLO instead")
        last = [n for n in notes if n.method == "turn/completed"][-1]
        job("steer", last.payload.turn.items[-1].root.text == "Hello from the model.", last)
        resumed = codex.thread_resume(thread.id)
        job("resume", "user messages" in resumed.run("RECALL").final_response)
        listed = codex.thread_list()
        job("list", [t.id for t in listed.data] == [thread.id], listed)
        thread.set_name("mine")
        read = thread.read(include_turns=True).thread
        job("name and read", read.name == "mine" and len(read.turns) == 8, read)
        fork = codex.thread_fork(thread.id)
        job("fork", fork.id != thread.id and "user messages" in fork.run("RECALL").final_response)
        codex.thread_archive(thread.id)
        job("archive", thread.id not in [t.id for t in codex.thread_list().data])
        job("unarchive", codex.thread_unarchive(thread.id).id == thread.id)
        job("models", [m.id for m in codex.models().data] == ["scripted"])
        job("account", codex.account().requires_openai_auth is False)
        restricted = codex.thread_start(sandbox=Sandbox.read_only)
        job("sandbox", restricted.run("SAY_HELLO").status.value == "completed")

    for decision, ran in (("accept", True), ("decline", False)):
        asked = []

        def decide(method, params, decision=decision, asked=asked):
            asked.append(method)
            return {"decision": decision}

        client = CodexClient(config=config, approval_handler=decide)
        client.start()
        client.initialize()
        params = {"cwd": work, "approvalPolicy": "on-request", "sandbox": "read-only"}
        thread = client.thread_start(params).thread
        turn = client.turn_start(thread.id, "ASK_FIRST").turn
        completed = client.wait_for_turn_completed(turn.id)
        there = os.path.exists(f"{work}/ran.txt")
        fine = asked == ["item/commandExecution/requestApproval"] and there == ran
        job(f"approval: {decision}", fine and completed.turn.status.value == "completed", (asked, there, completed))
        if there:
            os.remove(f"{work}/ran.txt")
        client.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
