#!/usr/bin/env python3
"""PyPI `codex-python-sdk-unofficial` drives `llmx app-server`: its models of the answers are strict.

    python3 tests/live/clients/python_sdk_unofficial.py [--llmx PATH]
"""
import asyncio

import desk as place

place.in_python_with("codex-python-sdk-unofficial==0.128.0")
desk = place.Desk()

import codex_agent_sdk as sdk  # noqa: E402


def server():
    return sdk.AppServerConfig(codex_bin=desk.llmx, cwd=desk.work, env=desk.environment)


async def said(turn):
    return [e.text_delta async for e in turn if isinstance(e, sdk.AgentTextDeltaEvent)]


def item_of(event):
    return getattr(event.item, "root", event.item)


async def turns():
    async with sdk.CodexSDKClient(app_server=server(), options=sdk.CodexOptions(cwd=desk.work)) as codex:
        with desk.job("streamed text"):
            turn = await codex.query("SAY_HELLO please")
            deltas = await said(turn)
            assert deltas == ["Hello ", "from ", "the ", "model."], deltas
            assert (await turn.wait()).status == "completed"
        with desk.job("command"):
            turn = await codex.query("RUN_SHELL")
            items = [item_of(e) async for e in turn if isinstance(e, sdk.ItemCompletedEvent)]
            outputs = [i.aggregated_output for i in items if i.type == "commandExecution"]
            assert outputs == ["shell-ok-42\n"], items
        with desk.job("patch"):
            turn = await codex.query("APPLY_PATCH")
            items = [item_of(e) async for e in turn if isinstance(e, sdk.ItemCompletedEvent)]
            assert desk.took("patched.txt") and "fileChange" in [i.type for i in items], items
        with desk.job("structured output"):
            turn = await codex.query("STRUCTURED", output_schema=place.SCHEMA)
            assert "".join(await said(turn)) == '{"answer": 42}'
        with desk.job("interrupt"):
            turn = await codex.query("SLOW")
            async for event in turn:
                if isinstance(event, sdk.AgentTextDeltaEvent):
                    await turn.interrupt()
                    break
            assert (await turn.wait()).status == "interrupted"
        with desk.job("steer"):
            turn = await codex.query("SLOW")
            async for event in turn:
                if isinstance(event, sdk.AgentTextDeltaEvent):
                    assert await turn.steer("SAY_HELLO instead") == turn.turn_id
                    break
            assert "".join(await said(turn)).endswith("Hello from the model.")
        thread = codex.thread_id
        with desk.job("resume"):
            assert await codex.resume_thread(thread) == thread
            assert "user messages" in "".join(await said(await codex.query("RECALL")))
        with desk.job("fork"):
            fork = await codex.fork_thread(thread_id=thread)
            assert fork != thread and "user messages" in "".join(await said(await codex.query("RECALL")))
    return thread


async def shelf(thread):
    async with sdk.AppServerClient(server()) as codex:
        await codex.initialize()
        with desk.job("list, name, read"):
            await codex.thread_set_name(thread_id=thread, name="mine")
            listed = await codex.thread_list(limit=10)
            assert "mine" in [t.name for t in listed.data], listed
            read = await codex.thread_read(thread_id=thread, include_turns=True)
            assert len(read.thread.turns) == 7, read
        with desk.job("archive and unarchive"):
            await codex.thread_archive(thread_id=thread)
            assert thread not in [t.id for t in (await codex.thread_list()).data]
            assert (await codex.thread_unarchive(thread_id=thread)).thread.id == thread
        with desk.job("models"):
            answer = await codex.request("model/list", {})
            assert [m["id"] for m in answer["data"]] == ["scripted"], answer


async def approvals(decision, ran):
    asked = []

    async def decide(request):
        asked.append(type(request).__name__)
        return getattr(sdk.ApprovalDecision, decision)()

    restricted = sdk.CodexOptions(cwd=desk.work, approval_policy="on-request", sandbox_mode="read-only")
    async with sdk.CodexSDKClient(app_server=server(), options=restricted, approval_handler=decide) as codex:
        with desk.job(f"approval of a command: {decision}"):
            # Its model of the question wants a list of words where the wire has one text, so it answers with an error, and
            # that counts as no.
            turn = await codex.query("ASK_FIRST")
            items = [item_of(e) async for e in turn if isinstance(e, sdk.ItemCompletedEvent)]
            [command] = [i for i in items if i.type == "commandExecution"]
            assert command.status.value == "declined" and not desk.took("ran.txt"), items
        with desk.job(f"approval of a patch: {decision}"):
            await (await codex.query("APPLY_PATCH")).wait()
            assert asked == ["FileChangeApprovalRequest"] and desk.took("patched.txt") == ran, asked


async def main():
    thread = await turns()
    await shelf(thread)
    await approvals("accept", True)
    await approvals("decline", False)


asyncio.run(asyncio.wait_for(main(), place.PATIENCE))
desk.leave()
