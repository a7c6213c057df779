#!/usr/bin/env python3
"""The ACP adapter that editors ship, npm `@agentclientprotocol/codex-acp`, drives `llmx app-server` as its binary, and is
driven itself by PyPI `agent-client-protocol`: a session, streamed text, a command, permission given and refused, a patch,
cancel, load, list.

    python3 tests/live/acp_adapter.py [--llmx PATH]

Installs both below target/live unless they are there; where they cannot be had, says SKIPPED and leaves with 77. Not part
of the everyday suite. Exit code 0 if every job is done.
"""
import argparse
import asyncio
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = f"{ROOT}/target/live/acp"
ADAPTER = f"{ROOT}/target/live/codex-acp"
SKIPPED = 77
PATIENCE = 60


def inside_venv():
    """Goes on in a Python that has the client, beside an adapter."""
    python = f"{VENV}/bin/python"
    if sys.prefix == VENV:
        return
    try:
        if not os.path.exists(f"{VENV}/installed"):
            subprocess.check_call([sys.executable, "-m", "venv", VENV])
            subprocess.check_call([f"{VENV}/bin/pip", "install", "-q", "agent-client-protocol==0.12.1"])
            open(f"{VENV}/installed", "w").close()
        if not os.path.exists(f"{ADAPTER}/node_modules/@agentclientprotocol/codex-acp"):
            os.makedirs(ADAPTER, exist_ok=True)
            package = "@agentclientprotocol/codex-acp@2.6.0"
            subprocess.check_call(["npm", "install", "--silent", "--omit=optional", "--prefix", ADAPTER, package])
    except (subprocess.CalledProcessError, OSError) as why:
        print(f"SKIPPED: the adapter and its client cannot be installed: {why}")
        sys.exit(SKIPPED)
    os.execv(python, [python, *sys.argv])


async def jobs(llmx):
    import acp
    import scripted_model

    failed = []

    def job(name, fine, seen=""):
        print(f"{'ok  ' if fine else 'FAIL'} {name} {'' if fine else seen}", flush=True)
        failed.extend([] if fine else [name])

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

    home, work = tempfile.mkdtemp(prefix="llmx-home-"), tempfile.mkdtemp(prefix="llmx-work-")
    scripted_model.write_config(home, scripted_model.start(), "read-only")
    environment = {"LLMX_HOME": home, "HOME": home, "CODEX_HOME": home, "PATH": os.environ["PATH"], "CODEX_PATH": llmx}
    script = f"{ADAPTER}/node_modules/@agentclientprotocol/codex-acp/dist/index.js"
    editor = Editor()

    async def say(agent, session, text):
        editor.updates.clear()
        prompt = agent.prompt(session_id=session, prompt=[acp.text_block(text)])
        return await asyncio.wait_for(prompt, PATIENCE)

    async with acp.spawn_agent_process(editor, "node", script, env=environment, cwd=work) as (agent, _):
        initialized = await asyncio.wait_for(agent.initialize(protocol_version=acp.PROTOCOL_VERSION), PATIENCE)
        job("initialize", initialized.protocol_version == acp.PROTOCOL_VERSION, initialized)
        opened = await asyncio.wait_for(agent.new_session(cwd=work, mcp_servers=[]), PATIENCE)
        session = opened.session_id
        job("session", bool(session), opened)
        ended = await say(agent, session, "SAY_HELLO please")
        job("streamed text", ended.stop_reason == "end_turn" and editor.text() == "Hello from the model.", editor.updates)
        await say(agent, session, "RUN_SHELL")
        job("command", "tool_call" in editor.kinds() and "shell-ok-42" in editor.text(), editor.updates)
        for answer, ran in (("reject_once", False), ("allow_once", True)):
            editor.asked.clear()
            editor.answer = answer
            await say(agent, session, "ASK_FIRST")
            there = os.path.exists(f"{work}/ran.txt")
            job(f"permission: {answer}", len(editor.asked) == 1 and there == ran, (editor.asked, there, editor.text()))
        await say(agent, session, "APPLY_PATCH")
        job("patch", os.path.exists(f"{work}/patched.txt"), editor.updates)
        editor.updates.clear()
        slow = asyncio.ensure_future(agent.prompt(session_id=session, prompt=[acp.text_block("SLOW")]))
        while "word1" not in editor.text():
            await asyncio.sleep(0.02)
        await agent.cancel(session_id=session)
        ended = await asyncio.wait_for(slow, PATIENCE)
        job("cancel", ended.stop_reason == "cancelled", ended)
        listed = await asyncio.wait_for(agent.list_sessions(), PATIENCE)
        job("list", session in [s.session_id for s in listed.sessions], listed)

    editor = Editor()
    async with acp.spawn_agent_process(editor, "node", script, env=environment, cwd=work) as (agent, _):
        await asyncio.wait_for(agent.initialize(protocol_version=acp.PROTOCOL_VERSION), PATIENCE)
        loading = agent.load_session(cwd=work, session_id=session, mcp_servers=[])
        await asyncio.wait_for(loading, PATIENCE)
        job("load", "Hello from the model." in editor.text(), editor.updates)
        await say(agent, session, "RECALL")
        job("go on", "user messages" in editor.text(), editor.updates)
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--llmx", default=f"{ROOT}/target/debug/llmx")
    llmx = os.path.abspath(parser.parse_args().llmx)
    inside_venv()
    sys.path.insert(0, HERE)
    sys.exit(1 if asyncio.run(jobs(llmx)) else 0)


if __name__ == "__main__":
    main()
