#!/usr/bin/env python3
"""The ACP adapter that editors ship, npm `@agentclientprotocol/codex-acp`, drives `llmx app-server` as its binary, and is
driven itself by PyPI `agent-client-protocol`.

    python3 tests/live/clients/acp_adapter.py [--llmx PATH]
"""
import asyncio
import shutil

import desk as place

if not shutil.which("npm"):
    place.skip("there is no npm")
adapter = place.npm_packages("codex-acp", "@agentclientprotocol/codex-acp@2.6.0")
place.in_python_with("agent-client-protocol==0.12.1")
desk = place.Desk("read-only")

import acp  # noqa: E402


class Editor(acp.Client):
    def __init__(self):
        self.updates, self.asked, self.answer = [], [], "allow_once"

    async def session_update(self, session_id, update, **_):
        self.updates.append(update)

    async def request_permission(self, session_id, tool_call, options, **_):
        self.asked.append(tool_call)
        chosen = next(o for o in options if o.kind == self.answer)
        return acp.RequestPermissionResponse.model_validate(
            {"outcome": {"outcome": "selected", "optionId": chosen.option_id}})

    def text(self):
        chunks = [u for u in self.updates if u.session_update == "agent_message_chunk"]
        return "".join(u.content.text for u in chunks)

    def kinds(self):
        return [u.session_update for u in self.updates]


async def main():
    script = f"{adapter}/node_modules/@agentclientprotocol/codex-acp/dist/index.js"
    environment = {**desk.environment, "CODEX_HOME": desk.home, "CODEX_PATH": desk.llmx}
    editor = Editor()

    async def say(agent, session, text):
        editor.updates.clear()
        prompt = agent.prompt(session_id=session, prompt=[acp.text_block(text)])
        return await asyncio.wait_for(prompt, place.PATIENCE)

    async with acp.spawn_agent_process(editor, "node", script, env=environment, cwd=desk.work) as (agent, _):
        initialized = await asyncio.wait_for(agent.initialize(protocol_version=acp.PROTOCOL_VERSION), place.PATIENCE)
        with desk.job("initialize"):
            assert initialized.protocol_version == acp.PROTOCOL_VERSION, initialized
        opened = await asyncio.wait_for(agent.new_session(cwd=desk.work, mcp_servers=[]), place.PATIENCE)
        session = opened.session_id
        with desk.job("session"):
            assert bool(session), opened
        ended = await say(agent, session, "SAY_HELLO please")
        with desk.job("streamed text"):
            assert ended.stop_reason == "end_turn" and editor.text() == "Hello from the model.", editor.updates
        await say(agent, session, "RUN_SHELL")
        with desk.job("command"):
            assert "tool_call" in editor.kinds() and "shell-ok-42" in editor.text(), editor.updates
        for answer, ran in (("reject_once", False), ("allow_once", True)):
            editor.asked.clear()
            editor.answer = answer
            await say(agent, session, "ASK_FIRST")
            there = desk.took("ran.txt")
            with desk.job(f"permission: {answer}"):
                assert len(editor.asked) == 1 and there == ran, (editor.asked, there, editor.text())
        await say(agent, session, "APPLY_PATCH")
        with desk.job("patch"):
            assert desk.took("patched.txt"), editor.updates
        editor.updates.clear()
        slow = asyncio.ensure_future(agent.prompt(session_id=session, prompt=[acp.text_block("SLOW")]))
        while "word1" not in editor.text():
            await asyncio.sleep(0.02)
        await agent.cancel(session_id=session)
        ended = await asyncio.wait_for(slow, place.PATIENCE)
        with desk.job("cancel"):
            assert ended.stop_reason == "cancelled", ended
        listed = await asyncio.wait_for(agent.list_sessions(), place.PATIENCE)
        with desk.job("list"):
            assert session in [s.session_id for s in listed.sessions], listed

    editor = Editor()
    async with acp.spawn_agent_process(editor, "node", script, env=environment, cwd=desk.work) as (agent, _):
        await asyncio.wait_for(agent.initialize(protocol_version=acp.PROTOCOL_VERSION), place.PATIENCE)
        loading = agent.load_session(cwd=desk.work, session_id=session, mcp_servers=[])
        await asyncio.wait_for(loading, place.PATIENCE)
        with desk.job("load"):
            assert "Hello from the model." in editor.text(), editor.updates
        await say(agent, session, "RECALL")
        with desk.job("go on"):
            assert "user messages" in editor.text(), editor.updates


asyncio.run(main())
desk.leave()
