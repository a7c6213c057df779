#!/usr/bin/env python3
"""Runs `llmx proto` against the LiteLLM proxy (PyPI) on both wires: in front of llama.cpp with a real model, and with
LiteLLM's own mock.

    python3 tests/live/litellm.py [--venv DIR] [--llmx PATH]

DIR is where `llama_cpp.py` has installed llama.cpp, or shall. Not part of the everyday suite. Checks, for each route:
streamed text with usage, a call that runs a command and whose output is answered, an interrupt, a summary and a task
after it; of the mock: text, a summary, an interrupt, an error in the midst of a stream and a rate limit that are tried
again, a context overflow that is one error. Exit code 0 if all hold.

LiteLLM 1.102's mock reads `mock_tool_calls` only where the answer is not streamed, and cannot stream at all on the
Responses wire: its calls are those of the real model.

With --record DIR the exchanges are recorded: the recordings in tests/fixtures/recorded are from here.
"""
import argparse, os, subprocess, sys, tempfile, time

from llama_cpp import ROOT, STORY, Server as LlamaServer, Ui, check_call, check_summary, install as install_llama, recorded
from referees import Server

HOME = f"{ROOT}/target/live/litellm"
KEY = "sk-test"
CONFIG = """
model_list:
  - model_name: local-openai
    litellm_params: {{model: openai/smollm2, api_key: none, api_base: "{llama}/v1"}}
  - model_name: bridge-openai
    litellm_params: {{model: openai/smollm2, api_key: none, api_base: "{llama}/v1", use_chat_completions_api: true}}
  - model_name: mock
    litellm_params: {{model: openai/mock, api_key: none, mock_response: "Hello from the mock."}}
  - model_name: slow
    litellm_params: {{model: openai/mock, api_key: none, mock_response: "Hello, at last.", mock_delay: 20}}
  - model_name: breaks
    litellm_params: {{model: openai/mock, api_key: none, mock_response: "Exception: mock_streaming_error"}}
  - model_name: busy
    litellm_params: {{model: openai/mock, api_key: none, mock_response: "litellm.RateLimitError"}}
  - model_name: full
    litellm_params: {{model: openai/mock, api_key: none, mock_response: "litellm.ContextWindowExceededError"}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false, num_retries: 0, drop_params: true}}
"""


def install():
    if not os.path.exists(f"{HOME}/bin/litellm"):
        subprocess.check_call([sys.executable, "-m", "venv", HOME])
        subprocess.check_call([f"{HOME}/bin/pip", "install", "-q", "uv"])
        wanted = "litellm[proxy]<1.103,>=1.90"
        subprocess.check_call([f"{HOME}/bin/uv", "pip", "install", "-q", "--python", f"{HOME}/bin/python", wanted])


class Session:
    def __init__(self, llmx, base, model, wire, record=None):
        provider = f'wire_api = "{wire}"\nexperimental_bearer_token = "{KEY}"\nrequest_max_retries = 2\nstream_max_retries = 2\n'
        provider += recorded(record, f"litellm-{model}-{wire}")
        self.ui = Ui(llmx, base, model, provider)
        self.cwd = tempfile.mkdtemp()
        self.ui.send("c1", type="configure_session", cwd=self.cwd, approval_policy="never", sandbox_policy={"mode": "danger-full-access"})
        self.ui.until("session_configured")

    def say(self, sid, words):
        self.ui.send(sid, type="user_input", items=[{"type": "text", "text": words}])

    def task(self, sid, words):
        """How it ended, the tokens that were counted, how many times it was tried again."""
        self.say(sid, words)
        tokens, retries = 0, 0
        while True:
            event = self.ui.until("token_count", "stream_error", "task_complete", "error")
            if event["type"] == "token_count" and event["info"]:
                tokens = event["info"]["total_token_usage"]["total_tokens"]
            retries += event["type"] == "stream_error"
            if event["type"] in ("task_complete", "error"):
                return event, tokens, retries

    def close(self):
        return self.ui.leave()


def interrupt(session, words, sign, name, check):
    """Interrupts a task when `sign` is seen."""
    session.say("u3", words)
    session.ui.until(sign, quiet=())
    began = time.monotonic()
    session.ui.send("i", type="interrupt")
    end = session.ui.until("error", "task_complete")
    ms = (time.monotonic() - began) * 1000
    check(f"{name}: interrupted after {ms:.1f} ms", end.get("message") == "interrupted")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", default=f"{ROOT}/target/live/llama")
    parser.add_argument("--llmx", default=f"{ROOT}/target/release/llmx")
    parser.add_argument("--port", type=int, default=18130)
    parser.add_argument("--record", help="where the exchanges of the real model are recorded")
    arguments = parser.parse_args()
    install()
    checks = []

    def check(what, holds):
        checks.append(holds)
        print("OK " if holds else "BAD", what, flush=True)

    llama = LlamaServer(*install_llama(arguments.venv), arguments.port)
    try:
        with open(f"{HOME}/config.yaml", "w") as f:
            f.write(CONFIG.format(llama=llama.base, key=KEY))
        os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY="False", DISABLE_ADMIN_UI="True")
        port = arguments.port + 1
        command = [f"{HOME}/bin/litellm", "--config", f"{HOME}/config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        with Server(command, port, f"{HOME}/log", patience=120) as proxy:
            for model, wire in [("local-openai", "responses"), ("local-openai", "chat"), ("bridge-openai", "responses")]:
                session = Session(arguments.llmx, proxy.base, model, wire, arguments.record)
                name = f"{model}, {wire}"
                end, tokens, _ = session.task("u1", "Say hello to me in one short sentence.")
                text = end.get("last_agent_message")
                check(f"{name}: text {text!r}, {session.ui.deltas} deltas, {tokens} tokens", bool(text) and tokens > 0)
                check_call(session.ui, name, session.cwd, check)
                interrupt(session, STORY, "agent_message_delta", name, check)
                check_summary(session.ui, name, check)
                check(f"{name}: exit code 0", session.close() == 0)
            session = Session(arguments.llmx, proxy.base, "mock", "chat")
            end, tokens, _ = session.task("u1", "Say hello.")
            check(f"mock, chat: {end.get('last_agent_message')!r}, {tokens} tokens", end.get("last_agent_message") == "Hello from the mock.")
            check_summary(session.ui, "mock, chat", check)
            session.close()
            session = Session(arguments.llmx, proxy.base, "slow", "chat")
            interrupt(session, "Say hello.", "user_message", "mock that is slow, chat", check)
            session.close()
            session = Session(arguments.llmx, proxy.base, "mock", "responses")
            end, _, retries = session.task("u1", "Say hello.")
            # LiteLLM 1.102's mock cannot stream on this wire and answers 500: that is told, after the tries.
            check(f"mock, responses: {end} after {retries} retries", end["type"] == "task_complete" or retries == 2)
            session.close()
            for model, words, wanted in [("breaks", "mock error raised mid-stream", 2), ("busy", "429", 2), ("full", "context window", 0)]:
                session = Session(arguments.llmx, proxy.base, model, "chat")
                end, _, retries = session.task("u1", "Say hello.")
                holds = end["type"] == "error" and words in end["message"] and retries == wanted
                check(f"{model}, chat: {end.get('message', '')[:160]!r} after {retries} retries", holds)
                session.close()
    finally:
        llama.stop()
    raise SystemExit(0 if all(checks) else 1)


if __name__ == "__main__":
    main()
