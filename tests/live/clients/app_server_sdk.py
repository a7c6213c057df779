#!/usr/bin/env python3
"""PyPI `codex-app-server-sdk` drives `llmx app-server`, over stdio and over a WebSocket with a token.

    python3 tests/live/clients/app_server_sdk.py [--llmx PATH]
"""
import asyncio

import desk as place

place.in_python_with("codex-app-server-sdk==0.4.1")

import codex_app_server_sdk as sdk  # noqa: E402

TOKEN = "known-to-this-test-only"


async def slow_turn(client, thread):
    """-> a turn that runs, and what was heard of it so far"""
    try:
        await client.chat_once("SLOW", thread_id=thread, inactivity_timeout=0.01)
    except sdk.CodexTurnInactiveError as quiet:
        return quiet.continuation
    raise AssertionError("a slow turn ended")


async def turns(desk, connect):
    async with connect() as client:
        with desk.job("text"):
            result = await client.chat_once("SAY_HELLO please")
            assert result.final_text == "Hello from the model.", result
            assert result.completion_source == "item_completed", result
        thread = await client.resume_thread(result.thread_id)
        with desk.job("steps"):
            steps = [step async for step in thread.chat("RUN_SHELL")]
            assert [step.step_type for step in steps] == ["userMessage", "exec", "codex"], steps
            assert steps[1].data["item"]["aggregatedOutput"] == "shell-ok-42\n", steps
        with desk.job("patch"):
            steps = [step async for step in thread.chat("APPLY_PATCH")]
            assert desk.took("patched.txt") and steps[1].item_type == "fileChange", steps
        with desk.job("structured output"):
            overrides = sdk.TurnOverrides(output_schema=place.SCHEMA)
            result = await thread.chat_once("STRUCTURED", turn_overrides=overrides)
            assert result.final_text == '{"answer": 42}', result
        with desk.job("interrupt"):
            running = await slow_turn(client, thread.thread_id)
            cancelled = await client.cancel(running)
            assert cancelled.was_interrupted and not cancelled.was_completed, cancelled
        with desk.job("steer"):
            running = await slow_turn(client, thread.thread_id)
            hello = [{"type": "text", "text": "SAY_HELLO instead"}]
            await client.steer_turn(thread_id=thread.thread_id, expected_turn_id=running.turn_id, input_items=hello)
            result = await client.chat_once(continuation=running)
            assert result.final_text == "Hello from the model.", result
        with desk.job("name, list, read"):
            await thread.set_name("mine")
            listed = await client.list_threads(sort_key="created_at", sort_direction="asc", cwd=desk.work, limit=5)
            assert [t["name"] for t in listed["data"]] == ["mine"], listed
            assert (await client.list_threads(cwd="/nowhere"))["data"] == []
            assert len((await thread.read())["thread"]["turns"]) == 6
        with desk.job("fork"):
            fork = await thread.fork()
            assert fork.thread_id != thread.thread_id and "user messages" in (await fork.chat_once("RECALL")).final_text
        with desk.job("order of the list"):
            newest = [t["id"] for t in (await client.list_threads(sort_key="created_at"))["data"]]
            oldest = [t["id"] for t in (await client.list_threads(sort_key="created_at", sort_direction="asc"))["data"]]
            assert newest == [fork.thread_id, thread.thread_id] and oldest == newest[::-1], (newest, oldest)
        with desk.job("archive and unarchive"):
            await thread.archive()
            assert [t["id"] for t in (await client.list_threads())["data"]] == [fork.thread_id]
            assert [t["id"] for t in (await client.list_threads(archived=True))["data"]] == [thread.thread_id]
            await thread.unarchive()
        with desk.job("compact"):
            await fork.compact()
        with desk.job("models, configuration, client's own command"):
            assert [m["id"] for m in (await client.list_models())["data"]] == ["scripted"]
            assert (await client.read_config())["config"]["model"] == "scripted"
            assert (await client.exec_command(["echo", "mine"]))["stdout"] == "mine\n"
        with desk.job("methods that are no more"):
            try:
                await thread.rollback(1)
                raise AssertionError("thread/rollback was answered")
            except sdk.CodexProtocolError as error:
                assert "thread/rollback" in str(error), error
        return thread.thread_id


async def approvals(desk, connect, decision, ran):
    asked = []

    async def decide(request):
        asked.append(request)
        return decision

    async with connect() as client:
        client.set_approval_handler(decide)
        config = sdk.ThreadConfig(cwd=desk.work, approval_policy="on-request", sandbox="read-only")
        thread = await client.start_thread(config)
        with desk.job(f"approval of a command: {decision}"):
            await thread.chat_once("ASK_FIRST")
            assert len(asked) == 1 and "ran.txt" in asked[0].command and desk.took("ran.txt") == ran, asked
        with desk.job(f"approval of a patch: {decision}"):
            await thread.chat_once("APPLY_PATCH")
            assert len(asked) == 2 and desk.took("patched.txt") == ran, asked


async def jobs(desk, connect):
    await turns(desk, connect)
    await approvals(desk, connect, "accept", True)
    await approvals(desk, connect, "decline", False)


def run(desk, connect):
    asyncio.run(asyncio.wait_for(jobs(desk, connect), place.PATIENCE))


print("over stdio")
desk = place.Desk()
run(desk, lambda: sdk.CodexClient.connect_stdio(command=[desk.llmx, "app-server"], cwd=desk.work, env=desk.environment,
                                                strict=True))
print("over a WebSocket")
other = place.Desk()
other.failed = desk.failed
with place.listening(other, TOKEN) as url:
    run(other, lambda: sdk.CodexClient.connect_websocket(url=url, token=TOKEN, strict=True))
    with other.job("no way in with another token"):
        async def intrude():
            async with sdk.CodexClient.connect_websocket(url=url, token="another-one-of-that-size", strict=True) as client:
                await client.list_threads()

        try:
            asyncio.run(asyncio.wait_for(intrude(), place.PATIENCE))
            raise AssertionError("another token was taken")
        except sdk.CodexTransportError:
            pass
other.forget()
desk.leave()
