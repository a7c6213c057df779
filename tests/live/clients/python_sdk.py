#!/usr/bin/env python3
"""PyPI `codex-python-sdk` drives `llmx app-server`: it writes a `jsonrpc` member, resumes before every turn and asks for
features by name.

    python3 tests/live/clients/python_sdk.py [--llmx PATH]
"""
import asyncio

import desk as place

place.in_python_with("codex-python-sdk==0.2.1")
desk = place.Desk()

from codex_python_sdk import CodexAgenticError, create_async_client, create_client  # noqa: E402

FREE = {"sandbox": "danger-full-access"}


def client(**options):
    return create_client(codex_command=desk.llmx, env=desk.environment, process_cwd=desk.work, **options)


with client(default_thread_params=FREE) as codex:
    with desk.job("text"):
        answer = codex.responses_create(prompt="SAY_HELLO please")
        assert answer.text == "Hello from the model.", answer
        thread = answer.thread_id
    with desk.job("streamed text"):
        chunks = list(codex.responses_stream_text(prompt="SAY_HELLO", thread_id=thread))
        assert chunks == ["Hello ", "from ", "the ", "model."], chunks
    with desk.job("command"):
        events = list(codex.responses_events(prompt="RUN_SHELL", thread_id=thread))
        items = [e.raw["params"]["item"] for e in events if e.type == "item/completed"]
        outputs = [i["aggregatedOutput"] for i in items if i["type"] == "commandExecution"]
        assert outputs == ["shell-ok-42\n"], events
    with desk.job("patch"):
        events = list(codex.responses_events(prompt="APPLY_PATCH", thread_id=thread))
        diffs = [e.diff for e in events if e.type == "turn/diff/updated"]
        assert desk.took("patched.txt") and "patched by the model" in diffs[-1], events
    with desk.job("plan and usage"):
        events = list(codex.responses_events(prompt="SAY_HELLO", thread_id=thread))
        usages = [e.token_usage for e in events if e.token_usage]
        assert usages and usages[-1]["last"]["totalTokens"] == 120, events
    with desk.job("structured output"):
        answer = codex.responses_create(prompt="STRUCTURED", turn_params={"outputSchema": place.SCHEMA})
        assert answer.text == '{"answer": 42}', answer
    with desk.job("interrupt"):
        events = codex.responses_events(prompt="SLOW", thread_id=thread)
        first = next(e for e in events if e.type == "item/agentMessage/delta")
        assert codex.turn_interrupt(first.thread_id, first.turn_id) == {}
        last = list(events)[-1]
        assert last.raw["params"]["turn"]["status"] == "interrupted", last
    with desk.job("steer"):
        events = codex.responses_events(prompt="SLOW", thread_id=thread)
        first = next(e for e in events if e.type == "item/agentMessage/delta")
        assert codex.turn_steer(first.thread_id, first.turn_id, "SAY_HELLO instead")["turnId"] == first.turn_id
        said = [e.message_text for e in events if e.type == "item/completed" and e.message_text]
        assert said[-1] == "Hello from the model.", said
    with desk.job("list, name, read"):
        codex.thread_name_set(thread, "mine")
        [found] = [t for t in codex.thread_list() if t["id"] == thread]
        read = codex.thread_read(thread, include_turns=True)
        read = read.get("thread", read)
        assert found["name"] == "mine" and len(read["turns"]) == 7, (found, read)
        assert all(turn["startedAt"] and turn["completedAt"] and turn["durationMs"] is not None for turn in read["turns"]), read
    with desk.job("fork"):
        fork = codex.thread_fork(thread)["thread"]["id"]
        answer = codex.responses_create(prompt="RECALL", thread_id=fork)
        assert fork != thread and "user messages" in answer.text, answer
    with desk.job("loaded"):
        assert {thread, fork} <= set(codex.thread_loaded_list()["data"])
    with desk.job("archive and unarchive"):
        codex.thread_archive(thread)
        assert thread not in [t["id"] for t in codex.thread_list()]
        assert codex.thread_unarchive(thread)["thread"]["id"] == thread
    with desk.job("compact"):
        assert codex.thread_compact_start(fork) == {}
    with desk.job("models, account, configuration"):
        assert [m["id"] for m in codex.model_list()["data"]] == ["scripted"]
        assert codex.account_read()["requiresOpenaiAuth"] is False
        assert codex.config_read()["config"]["model"] == "scripted"
    with desk.job("lists that are empty here"):
        assert codex.mcp_server_status_list()["data"] == []
        assert codex.skills_list(cwds=[desk.work])["data"][0]["skills"] == []
    with desk.job("methods that are no more"):
        try:
            codex.thread_rollback(thread, 1)
            raise AssertionError("thread/rollback was answered")
        except CodexAgenticError as error:
            assert "thread/rollback" in str(error), error
    with desk.job("client's own command"):
        ran = codex.command_exec(["echo", "mine"])
        assert (ran["exitCode"], ran["stdout"]) == (0, "mine\n"), ran
    with desk.job("client's own command in a terminal"):
        # Its iterator gives up where an answer comes later than the last output, so what comes last is not waited for.
        streamed = codex.command_exec_events(["sh", "-c", "stty size; read x; stty size; cat"], process_id="t", tty=True,
                                             size={"rows": 10, "cols": 40})
        seen = next(streamed).data
        while b"10 40" not in seen:
            seen += next(streamed).data
        codex.command_exec_resize("t", rows=20, cols=80)
        codex.command_exec_write("t", data=b"\n")
        while b"20 80" not in seen:
            seen += next(streamed).data
        assert codex.command_exec_terminate("t") == {}
    with desk.job("file search"):
        open(desk.file("needle_in_hay.txt"), "w").close()
        files = codex.fuzzy_file_search("ndlhay")["files"]
        assert [f["path"] for f in files] == ["needle_in_hay.txt"], files



async def written_to():
    async with create_async_client(codex_command=desk.llmx, env=desk.environment, process_cwd=desk.work) as codex:
        running = asyncio.ensure_future(codex.command_exec(["cat"], process_id="p", stream_stdin=True))
        await asyncio.sleep(0)  # it is sent before what is written to it
        await codex.command_exec_write("p", data=b"hello\n", close_stdin=True)
        ran = await running
        assert (ran["exitCode"], ran["stdout"]) == (0, "hello\n"), ran


with desk.job("client's own command, written to"):
    asyncio.run(asyncio.wait_for(written_to(), place.PATIENCE))

for decision, ran in (("accept", True), ("decline", False)):
    asked = []

    def decide(params, decision=decision, asked=asked):
        asked.append(params["itemId"])
        return {"decision": decision}

    restricted = {"sandbox": "read-only", "approvalPolicy": "on-request"}
    handlers = {"on_command_approval": decide, "on_file_change_approval": decide}
    with client(default_thread_params=restricted, **handlers) as codex:
        with desk.job(f"approval of a command: {decision}"):
            codex.responses_create(prompt="ASK_FIRST")
            assert len(asked) == 1 and desk.took("ran.txt") == ran, asked
        with desk.job(f"approval of a patch: {decision}"):
            codex.responses_create(prompt="APPLY_PATCH")
            assert len(asked) == 2 and desk.took("patched.txt") == ran, asked
desk.leave()
