#!/usr/bin/env python3
"""PyPI `codex-app-server-client` drives `llmx app-server`: what its models do not recognize it drops.

    python3 tests/live/clients/app_server_client.py [--llmx PATH]
"""
import asyncio

import desk as place

place.in_python_with("codex-app-server-client==0.1.0")
desk = place.Desk()

from codex_app_server_client import CodexAppServer, EventAction  # noqa: E402
from codex_app_server_client.types import events, threads  # noqa: E402


def server():
    return CodexAppServer(codex_bin=desk.llmx, env=desk.environment)


async def turns():
    async with server() as codex:
        thread = await codex.start_thread(threads.ThreadStartParams(cwd=desk.work))
        low = codex.low_level
        with desk.job("text"):
            result = await thread.run("SAY_HELLO please")
            assert (result.final_response, result.status) == ("Hello from the model.", "completed"), result
            assert result.usage.last.total_tokens == 120, result
        with desk.job("streamed text"):
            heard = [event async for event in thread.run_streamed("SAY_HELLO")]
            deltas = [event.delta for event in heard if isinstance(event, events.AgentMessageDeltaEvent)]
            assert deltas == ["Hello ", "from ", "the ", "model."], heard
        with desk.job("command"):
            result = await thread.run("RUN_SHELL")
            outputs = [i["aggregatedOutput"] for i in result.items if i["type"] == "commandExecution"]
            assert outputs == ["shell-ok-42\n"], result
        with desk.job("patch"):
            result = await thread.run("APPLY_PATCH")
            assert desk.took("patched.txt") and "fileChange" in [i["type"] for i in result.items], result
        with desk.job("structured output"):
            result = await thread.run("STRUCTURED", output_schema=place.SCHEMA)
            assert result.final_response == '{"answer": 42}', result
        with desk.job("interrupt"):
            def stop(_, event):
                return EventAction.INTERRUPT if isinstance(event, events.AgentMessageDeltaEvent) else None

            result = await thread.run("SLOW", on_event=stop)
            assert result.status == "interrupted", result
        with desk.job("steer"):
            steered = None
            said = ""
            async for event in thread.run_streamed("SLOW"):
                if isinstance(event, events.AgentMessageDeltaEvent):
                    said += event.delta
                    if steered is None:
                        steered = event.turn_id
                        hello = [{"type": "text", "text": "SAY_HELLO instead"}]
                        params = threads.TurnSteerParams(thread_id=thread.id, expected_turn_id=steered, input=hello)
                        assert (await low.turn_steer(params)).turn_id == steered
            assert said.endswith("Hello from the model."), said
        with desk.job("name, list, read"):
            await low.thread_set_name(thread.id, "mine")
            listed = await low.thread_list(threads.ThreadListParams(limit=10, sort_key="updated_at"))
            assert [t.name for t in listed.data] == ["mine"], listed
            read = await low.thread_read(threads.ThreadReadParams(thread_id=thread.id, include_turns=True))
            assert len(read.thread.turns) == 7, read
            assert (await low.thread_loaded_list()).data == [thread.id]
        with desk.job("fork"):
            fork = (await low.thread_fork(threads.ThreadForkParams(thread_id=thread.id))).thread.id
            forked = await codex.resume_thread(fork)
            assert fork != thread.id and "user messages" in (await forked.run("RECALL")).final_response
        with desk.job("compact"):
            await low.thread_compact_start(threads.ThreadCompactStartParams(thread_id=fork))
        with desk.job("models, account, configuration"):
            assert [m.id for m in (await low.model_list()).data] == ["scripted"]
            assert (await low.account_read()).requires_openai_auth is False
            assert (await low.config_read()).config
        return thread.id


async def again(thread_id):
    async with server() as codex:
        low = codex.low_level
        with desk.job("resume"):
            thread = await codex.resume_thread(thread_id)
            assert "user messages" in (await thread.run("RECALL")).final_response
        with desk.job("archive and unarchive"):
            await low.thread_archive(thread_id)
            assert thread_id not in [t.id for t in (await low.thread_list()).data]
            back = await low.thread_unarchive(threads.ThreadUnarchiveParams(thread_id=thread_id))
            assert back.thread.id == thread_id


async def approvals(decision, ran):
    asked = []

    async def decide(method, _):
        asked.append(method)
        return {"decision": decision}

    async with server() as codex:
        codex.low_level.on_server_request("item/commandExecution/requestApproval", decide)
        codex.low_level.on_server_request("item/fileChange/requestApproval", decide)
        params = threads.ThreadStartParams(cwd=desk.work, approval_policy="on-request", sandbox="read-only")
        thread = await codex.start_thread(params)
        with desk.job(f"approval of a command: {decision}"):
            await thread.run("ASK_FIRST")
            assert len(asked) == 1 and desk.took("ran.txt") == ran, asked
        with desk.job(f"approval of a patch: {decision}"):
            await thread.run("APPLY_PATCH")
            assert len(asked) == 2 and desk.took("patched.txt") == ran, asked


async def main():
    await again(await turns())
    await approvals("accept", True)
    await approvals("decline", False)


asyncio.run(asyncio.wait_for(main(), place.PATIENCE))
desk.leave()
