#!/usr/bin/env python3
"""PyPI `codex-sdk-python` drives `llmx app-server`, in its app-server mode.

    python3 tests/live/clients/sdk_python.py [--llmx PATH]
"""
import asyncio
import base64

import desk as place

place.in_python_with("codex-sdk-python==0.117.0")
desk = place.Desk()

from codex_sdk import AppServerClient, AppServerOptions, ApprovalDecisions  # noqa: E402


def connect(**options):
    return AppServerClient(AppServerOptions(codex_path_override=desk.llmx, env=desk.environment, **options))


async def play(client, thread, words, **params):
    """-> the items that were completed, and the turn at its end"""
    turn = await client.turn_session(thread, words, **params)
    heard = [note async for note in turn.notifications()]
    items = [note.params["item"] for note in heard if note.method == "item/completed"]
    return items, await turn.wait()


async def until(client, method):
    while (note := await client.next_notification()).method != method:
        pass
    return note.params


async def turns():
    async with connect(config_overrides={"model_reasoning_summary": "none"}) as client:
        thread = (await client.thread_start(cwd=desk.work))["thread"]["id"]
        with desk.job("text"):
            items, turn = await play(client, thread, "SAY_HELLO please")
            assert (items[-1]["text"], turn["status"]) == ("Hello from the model.", "completed"), items
        with desk.job("streamed text"):
            turn = await client.turn_session(thread, "SAY_HELLO")
            deltas = [n.params["delta"] async for n in turn.notifications() if n.method == "item/agentMessage/delta"]
            assert deltas == ["Hello ", "from ", "the ", "model."], deltas
        with desk.job("command"):
            items, _ = await play(client, thread, "RUN_SHELL")
            assert [i["aggregatedOutput"] for i in items if i["type"] == "commandExecution"] == ["shell-ok-42\n"], items
        with desk.job("patch"):
            items, _ = await play(client, thread, "APPLY_PATCH")
            assert desk.took("patched.txt") and "fileChange" in [i["type"] for i in items], items
        with desk.job("structured output"):
            items, _ = await play(client, thread, "STRUCTURED", output_schema=place.SCHEMA)
            assert items[-1]["text"] == '{"answer": 42}', items
        with desk.job("interrupt"):
            turn = (await client.turn_start(thread, "SLOW"))["turn"]["id"]
            await until(client, "item/agentMessage/delta")
            assert await client.turn_interrupt(thread, turn) == {}
            assert (await until(client, "turn/completed"))["turn"]["status"] == "interrupted"
        with desk.job("steer"):
            turn = (await client.turn_start(thread, "SLOW"))["turn"]["id"]
            await until(client, "item/agentMessage/delta")
            assert (await client.turn_steer(thread, turn, "SAY_HELLO instead"))["turnId"] == turn
            last = await until(client, "turn/completed")
            assert last["turn"]["items"][-1]["text"] == "Hello from the model.", last
        with desk.job("name, list, read, loaded"):
            await client.thread_name_set(thread, name="mine")
            listed = await client.thread_list(limit=5, sort_key="created_at", cwd=desk.work, search_term="mine")
            assert [t["name"] for t in listed["data"]] == ["mine"], listed
            assert len((await client.thread_read(thread, include_turns=True))["thread"]["turns"]) == 7
            assert (await client.thread_loaded_list())["data"] == [thread]
        with desk.job("fork"):
            fork = (await client.thread_fork(thread))["thread"]["id"]
            items, _ = await play(client, fork, "RECALL")
            assert fork != thread and "user messages" in items[-1]["text"], items
        with desk.job("review"):
            # Nobody follows the session of a review: the thread's own notifications carry it.
            review = await client.review_start(fork, target={"type": "custom", "instructions": "SAY_HELLO"})
            assert review["turn"]["status"] == "inProgress" and review["reviewThreadId"] == fork, review
            assert (await until(client, "turn/completed"))["turn"]["status"] == "completed"
        with desk.job("archive and unarchive"):
            await client.thread_archive(thread)
            assert thread not in [t["id"] for t in (await client.thread_list())["data"]]
            assert (await client.thread_unarchive(thread))["thread"]["id"] == thread
        with desk.job("unsubscribe"):
            assert (await client.thread_unsubscribe(fork))["status"] == "unsubscribed"
        with desk.job("models, account, configuration"):
            assert [m["id"] for m in (await client.model_list())["data"]] == ["scripted"]
            assert (await client.account_read())["requiresOpenaiAuth"] is False
            assert (await client.config_read())["config"]["model"] == "scripted"
        with desk.job("client's own command, written to"):
            running = asyncio.ensure_future(client.command_exec(
                command=["cat"], process_id="c", stream_stdin=True, stream_stdout_stderr=True))
            await asyncio.sleep(0)  # it is sent before what is written to it
            text = base64.b64encode(b"hello\n").decode()
            await client.command_exec_write(process_id="c", delta_base64=text)
            heard = await until(client, "command/exec/outputDelta")
            assert base64.b64decode(heard["deltaBase64"]) == b"hello\n", heard
            await client.command_exec_write(process_id="c", close_stdin=True)
            assert (await running)["exitCode"] == 0
    return thread


async def again(thread):
    async with connect() as client:
        with desk.job("resume"):
            resumed = await client.thread_resume(thread)
            assert resumed["thread"]["id"] == thread and len(resumed["thread"]["turns"]) == 7, resumed
            items, _ = await play(client, thread, "RECALL")
            assert "user messages" in items[-1]["text"], items


async def approvals(decision, ran):
    async with connect() as client:
        started = await client.thread_start(cwd=desk.work, approval_policy="on-request", sandbox="read-only")
        thread = started["thread"]["id"]
        decided = ApprovalDecisions(command_execution=decision, file_change=decision)
        with desk.job(f"approval of a command: {decision}"):
            items, _ = await play(client, thread, "ASK_FIRST", approvals=decided)
            [command] = [i for i in items if i["type"] == "commandExecution"]
            assert desk.took("ran.txt") == ran and command["status"] == ("completed" if ran else "declined"), command
        with desk.job(f"approval of a patch: {decision}"):
            items, _ = await play(client, thread, "APPLY_PATCH", approvals=decided)
            [change] = [i for i in items if i["type"] == "fileChange"]
            assert desk.took("patched.txt") == ran and change["status"] == ("completed" if ran else "declined"), change


async def main():
    await again(await turns())
    await approvals("accept", True)
    await approvals("decline", False)


asyncio.run(asyncio.wait_for(main(), place.PATIENCE))
desk.leave()
