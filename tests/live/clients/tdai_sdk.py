#!/usr/bin/env python3
"""PyPI `tdai-codex-sdk`, an older official SDK in another wrapping, drives `llmx app-server`: its models are strict.

    python3 tests/live/clients/tdai_sdk.py [--llmx PATH]
"""
import desk as place

# It pins a package with another engine's binary, which no registry has.
place.in_python_with("tdai-codex-sdk==0.3.2", "pydantic", without_dependencies=("tdai-codex-sdk==0.3.2",))
desk = place.Desk()

from codex_app_server import AppServerConfig, Codex, TextInput  # noqa: E402
from codex_app_server.client import AppServerClient  # noqa: E402

config = AppServerConfig(codex_bin=desk.llmx, cwd=desk.work, env=desk.environment)

with Codex(config) as codex:
    thread = codex.thread_start(cwd=desk.work)
    with desk.job("text"):
        result = thread.run("SAY_HELLO please")
        assert result.final_response == "Hello from the model.", result
        assert result.usage.last.total_tokens == 120, result
    with desk.job("streamed text"):
        notes = thread.turn(TextInput("SAY_HELLO")).stream()
        deltas = [n.payload.delta for n in notes if n.method == "item/agentMessage/delta"]
        assert deltas == ["Hello ", "from ", "the ", "model."], deltas
    with desk.job("command"):
        items = [item.root for item in thread.run("RUN_SHELL").items]
        assert [i.aggregated_output for i in items if i.type.root == "commandExecution"] == ["shell-ok-42\n"], items
    with desk.job("patch"):
        items = [item.root for item in thread.run("APPLY_PATCH").items]
        assert desk.took("patched.txt") and "fileChange" in [i.type.root for i in items], items
    with desk.job("structured output"):
        assert thread.run("STRUCTURED", output_schema=place.SCHEMA).final_response == '{"answer": 42}'
    with desk.job("interrupt"):
        turn = thread.turn(TextInput("SLOW"))
        notes = turn.stream()
        next(n for n in notes if n.method == "item/agentMessage/delta")
        turn.interrupt()
        last = [n for n in notes if n.method == "turn/completed"][-1]
        assert last.payload.turn.status.value == "interrupted", last
    with desk.job("steer"):
        turn = thread.turn(TextInput("SLOW"))
        notes = turn.stream()
        next(n for n in notes if n.method == "item/agentMessage/delta")
        assert turn.steer(TextInput("SAY_HELLO instead")).turn_id == turn.id
        last = [n for n in notes if n.method == "turn/completed"][-1]
        assert last.payload.turn.items[-1].root.text == "Hello from the model.", last
    with desk.job("nothing that its models do not know"):
        unknown = [n for n in thread.turn(TextInput("RUN_SHELL")).stream() if type(n.payload).__name__.startswith("Unknown")]
        assert unknown == [], unknown
    with desk.job("resume"):
        assert "user messages" in codex.thread_resume(thread.id).run("RECALL").final_response
    with desk.job("name, list, read"):
        thread.set_name("mine")
        assert [t.name for t in codex.thread_list(limit=5).data] == ["mine"]
        assert len(thread.read(include_turns=True).thread.turns) == 9
    with desk.job("fork"):
        fork = codex.thread_fork(thread.id)
        assert fork.id != thread.id and "user messages" in fork.run("RECALL").final_response
    with desk.job("archive and unarchive"):
        codex.thread_archive(thread.id)
        assert [t.id for t in codex.thread_list().data] == [fork.id]
        assert codex.thread_unarchive(thread.id).id == thread.id
    with desk.job("compact"):
        fork.compact()
    with desk.job("models"):
        assert [m.id for m in codex.models().data] == ["scripted"]

for decision, ran in (("accept", True), ("decline", False)):
    asked = []

    def decide(method, _, decision=decision, asked=asked):
        asked.append(method)
        return {"decision": decision}

    with AppServerClient(config=config, approval_handler=decide) as client:
        client.initialize()
        params = {"cwd": desk.work, "approvalPolicy": "on-request", "sandbox": "read-only"}
        thread = client.thread_start(params).thread
        with desk.job(f"approval of a command: {decision}"):
            client.wait_for_turn_completed(client.turn_start(thread.id, "ASK_FIRST").turn.id)
            assert len(asked) == 1 and desk.took("ran.txt") == ran, asked
        with desk.job(f"approval of a patch: {decision}"):
            client.wait_for_turn_completed(client.turn_start(thread.id, "APPLY_PATCH").turn.id)
            assert len(asked) == 2 and desk.took("patched.txt") == ran, asked
desk.leave()
