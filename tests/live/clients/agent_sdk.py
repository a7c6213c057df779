#!/usr/bin/env python3
"""PyPI `codex-agent-sdk` drives `llmx app-server`.

    python3 tests/live/clients/agent_sdk.py [--llmx PATH]
"""
import asyncio

import desk as place

place.in_python_with("codex-agent-sdk==0.0.2")
desk = place.Desk()

from codex_agent_sdk import Agent, MessageDelta, TurnCompleted  # noqa: E402
from codex_agent_sdk.client import CodexClient  # noqa: E402
from codex_agent_sdk.types import CodexClientOptions  # noqa: E402


def agent():
    return Agent(model="scripted", codex_path=desk.llmx, cwd=desk.work).env(**desk.environment)


async def turns():
    with desk.job("text"):
        assert await agent().run("SAY_HELLO please").text() == "Hello from the model."
    async with agent().conversation() as talk:
        with desk.job("streamed text"):
            deltas = [delta async for delta in talk.stream_text("SAY_HELLO")]
            assert deltas == ["Hello ", "from ", "the ", "model."], deltas
        with desk.job("command"):
            events = [event async for event in talk.stream("RUN_SHELL")]
            items = [event.raw["params"]["item"] for event in events if event.method == "item/completed"]
            outputs = [item["aggregatedOutput"] for item in items if item["type"] == "commandExecution"]
            assert outputs == ["shell-ok-42\n"], items
        with desk.job("patch"):
            answer = await talk.send("APPLY_PATCH")
            assert desk.took("patched.txt") and answer.turn.status == "completed", answer
        with desk.job("structured output"):
            answer = await talk.send("STRUCTURED", outputSchema=place.SCHEMA)
            assert answer.text == '{"answer": 42}', answer
        with desk.job("interrupt"):
            async for event in talk.stream("SLOW"):
                if isinstance(event, MessageDelta):
                    await talk._client.turn_interrupt({"threadId": talk.id, "turnId": event.turn_id})
                if isinstance(event, TurnCompleted):
                    last = event
            assert last.status == "interrupted", last
        thread = talk.id
    return thread


async def shelf(thread):
    options = CodexClientOptions(codex_path=desk.llmx, cwd=desk.work, env=desk.environment)
    async with CodexClient(options) as client:
        with desk.job("resume"):
            resumed = await client.thread_resume({"threadId": thread})
            assert resumed["thread"]["id"] == thread and len(resumed["thread"]["turns"]) == 5, resumed
            deltas = [delta async for delta in client.stream_prompt_text(thread, "RECALL")]
            assert "user messages" in "".join(deltas), deltas
        with desk.job("fork"):
            fork = (await client.thread_fork({"threadId": thread}))["thread"]
            assert fork["id"] != thread and fork["forkedFromId"] == thread, fork
            deltas = [delta async for delta in client.stream_prompt_text(fork["id"], "RECALL")]
            assert "user messages" in "".join(deltas), deltas
        with desk.job("list, read, models"):
            listed = await client.request("thread/list")
            assert {thread, fork["id"]} <= {t["id"] for t in listed["data"]}, listed
            read = await client.request("thread/read", {"threadId": thread, "includeTurns": True})
            assert len(read["thread"]["turns"]) == 6, read
            assert (await client.request("model/list"))["data"][0]["id"] == "scripted"


async def approvals(decision, ran):
    asked = []
    asking = agent()

    @asking.on_command_approval
    async def command(approval):
        asked.append(approval)
        return decision

    @asking.on_file_change
    async def patch(approval):
        asked.append(approval)
        return decision

    async with asking.conversation(approvalPolicy="on-request", sandbox="read-only") as talk:
        with desk.job(f"approval of a command: {decision}"):
            await talk.send("ASK_FIRST")
            assert len(asked) == 1 and desk.took("ran.txt") == ran, asked
        with desk.job(f"approval of a patch: {decision}"):
            await talk.send("APPLY_PATCH")
            assert len(asked) == 2 and desk.took("patched.txt") == ran, asked


async def main():
    await shelf(await turns())
    await approvals("accept", True)
    await approvals("decline", False)
    # Its own word for no is none of the wire: whatever cannot be read counts as no.
    await approvals("reject", False)


asyncio.run(asyncio.wait_for(main(), place.PATIENCE))
desk.leave()
