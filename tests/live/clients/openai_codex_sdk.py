#!/usr/bin/env python3
"""The official Python SDK of another engine, PyPI `openai-codex`, drives `llmx app-server` as its binary.

    python3 tests/live/clients/openai_codex_sdk.py [--llmx PATH]
"""
import desk as place

place.in_python_with("openai-codex==0.163.0")
desk = place.Desk()

from openai_codex import Codex, CodexConfig, Sandbox  # noqa: E402
from openai_codex.client import CodexClient  # noqa: E402

config = CodexConfig(codex_bin=desk.llmx, cwd=desk.work, env=desk.environment)

with Codex(config) as codex:
    thread = codex.thread_start()
    with desk.job("text"):
        result = thread.run("SAY_HELLO please")
        assert result.final_response == "Hello from the model.", result
    with desk.job("streamed text"):
        deltas = [n.payload.delta for n in thread.turn("SAY_HELLO").stream() if n.method == "item/agentMessage/delta"]
        assert deltas == ["Hello ", "from ", "the ", "model."], deltas
    with desk.job("command"):
        items = [item.root for item in thread.run("RUN_SHELL").items]
        assert [i.aggregated_output for i in items if i.type == "commandExecution"] == ["shell-ok-42\n"], items
    with desk.job("patch"):
        changes = [i.root for i in thread.run("APPLY_PATCH").items if i.root.type == "fileChange"]
        path = desk.file("patched.txt")
        assert desk.took("patched.txt") and [c.changes[0].path for c in changes] == [path], changes
    with desk.job("structured output"):
        assert thread.run("STRUCTURED", output_schema=place.SCHEMA).final_response == '{"answer": 42}'
    with desk.job("interrupt"):
        turn = thread.turn("SLOW")
        notes = turn.stream()
        next(n for n in notes if n.method == "item/agentMessage/delta")
        turn.interrupt()
        last = [n for n in notes if n.method == "turn/completed"][-1]
        assert last.payload.turn.status.value == "interrupted", last
    with desk.job("steer"):
        turn = thread.turn("SLOW")
        notes = turn.stream()
        next(n for n in notes if n.method == "item/agentMessage/delta")
        turn.steer("SAY_HELLO instead")
        last = [n for n in notes if n.method == "turn/completed"][-1]
        assert last.payload.turn.items[-1].root.text == "Hello from the model.", last
    with desk.job("nothing that its models do not know"):
        unknown = [n for n in thread.turn("RUN_SHELL").stream() if type(n.payload).__name__.startswith("Unknown")]
        assert unknown == [], unknown
    with desk.job("resume"):
        assert "user messages" in codex.thread_resume(thread.id).run("RECALL").final_response
    with desk.job("list"):
        assert [t.id for t in codex.thread_list().data] == [thread.id]
    with desk.job("name and read"):
        thread.set_name("mine")
        read = thread.read(include_turns=True).thread
        assert read.name == "mine" and len(read.turns) == 9, read
    with desk.job("fork"):
        fork = codex.thread_fork(thread.id)
        assert fork.id != thread.id and "user messages" in fork.run("RECALL").final_response
    with desk.job("archive and unarchive"):
        codex.thread_archive(thread.id)
        assert thread.id not in [t.id for t in codex.thread_list().data]
        assert codex.thread_unarchive(thread.id).id == thread.id
    with desk.job("models and account"):
        assert [m.id for m in codex.models().data] == ["scripted"]
        assert codex.account().requires_openai_auth is False
    with desk.job("sandbox"):
        restricted = codex.thread_start(sandbox=Sandbox.read_only)
        assert restricted.run("SAY_HELLO").status.value == "completed"

for decision, ran in (("accept", True), ("decline", False)):
    asked = []

    def decide(method, _, decision=decision, asked=asked):
        asked.append(method)
        return {"decision": decision}

    client = CodexClient(config=config, approval_handler=decide)
    client.start()
    client.initialize()
    params = {"cwd": desk.work, "approvalPolicy": "on-request", "sandbox": "read-only"}
    thread = client.thread_start(params).thread
    with desk.job(f"approval of a command: {decision}"):
        client.wait_for_turn_completed(client.turn_start(thread.id, "ASK_FIRST").turn.id)
        assert asked == ["item/commandExecution/requestApproval"] and desk.took("ran.txt") == ran, asked
    with desk.job(f"approval of a patch: {decision}"):
        client.wait_for_turn_completed(client.turn_start(thread.id, "APPLY_PATCH").turn.id)
        assert asked[1:] == ["item/fileChange/requestApproval"] and desk.took("patched.txt") == ran, asked
    client.close()
desk.leave()
