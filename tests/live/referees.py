#!/usr/bin/env python3
"""Lets two referees judge `llmx proto`: PyPI `llmock`, which breaks requests and streams and then says what the client
did wrong, and npm `@copilotkit/aimock`, with which a conversation under chaos must equal the one without.

    python3 tests/live/referees.py [--llmx PATH] [--tasks N]

Installs both below target/live unless they are there. Not part of the everyday suite. Commands are not run: the session
is read-only and asks nobody. Exit code 0 if neither finds anything to blame.
"""
import argparse, json, os, socket, subprocess, sys, tempfile, time

from llama_cpp import ROOT, Ui

LLMOCK = f"{ROOT}/target/live/referees"
AIMOCK = f"{ROOT}/target/live/aimock"
WIRES = ("responses", "chat")
FAULTS = ["--error-rate", "429=0.15", "--error-rate", "500=0.1", "--error-rate", "503=0.1", "--stream-fault", "disconnect=0.1",
          "--stream-fault", "truncate=0.1", "--stream-fault", "stall=0.05", "--stream-stall-seconds", "5"]
BROKEN_EVENTS = ["--stream-fault", "malformed=0.3"]
CHAOS = ["--chaos-drop", "0.2", "--chaos-malformed", "0.1", "--chaos-disconnect", "0.2"]
PATIENCE = 'request_max_retries = 20\nstream_max_retries = 20\nstream_idle_timeout_ms = 2000\nexperimental_bearer_token = "sk-test"\n'


def install():
    if not os.path.exists(f"{LLMOCK}/bin/llmock"):
        subprocess.check_call([sys.executable, "-m", "venv", LLMOCK])
        subprocess.check_call([f"{LLMOCK}/bin/pip", "install", "-q", "llmock==0.2.2"])
    if not os.path.exists(f"{AIMOCK}/node_modules/.bin/llmock"):
        os.makedirs(AIMOCK, exist_ok=True)
        subprocess.check_call(["npm", "install", "--silent", "--prefix", AIMOCK, "@copilotkit/aimock@1.43.0"])


class Server:
    """A process that listens on a port until it is dropped."""

    def __init__(self, command, port, log, patience=30):
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(command, stdout=open(log, "w"), stderr=subprocess.STDOUT)
        for _ in range(patience * 10):
            # Not by a request, which a referee would judge.
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise SystemExit(f"{command[0]} did not start: see {log}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Conversation:
    """A session with one wire, and what a person reads of it in the end."""

    def __init__(self, llmx, base, wire, provider=""):
        self.ui = Ui(llmx, base, "gpt-4o", f'wire_api = "{wire}"\n{PATIENCE}{provider}')
        self.retries = 0
        self.ui.send("c1", type="configure_session", cwd="/tmp", approval_policy="never", sandbox_policy={"mode": "read-only"})
        self.ui.until("session_configured")

    def ask(self, sid, words):
        """The kinds of end and the texts that stay on the screen."""
        self.ui.send(sid, type="user_input", items=[{"type": "text", "text": words}])
        shown = {}
        while True:
            event = json.loads(self.ui.process.stdout.readline())
            msg = event["msg"]
            if msg["type"] == "agent_message_delta":
                shown[msg["item_id"]] = shown.get(msg["item_id"], "") + msg["delta"]
            if msg["type"] == "stream_error":
                self.retries += 1
                shown = {item: text for item, text in shown.items() if item not in msg["superseded"]}
            if msg["type"] in ("task_complete", "error") and event["id"] == sid:
                return msg["type"], msg.get("message", ""), list(shown.values())

    def close(self):
        self.ui.process.stdin.close()
        self.ui.process.stdout.read()
        return self.ui.process.wait(timeout=20)


def was_complete(line):
    """Whether a recorded answer had said its last word before it was broken."""
    events = [event["data"] for event in json.loads(line)["response"].get("events", []) if isinstance(event["data"], dict)]
    finished = lambda choices: any(choice.get("finish_reason") for choice in choices or [])
    return any(event.get("type") == "response.completed" or finished(event.get("choices")) for event in events)


def was_asked_again(lines, n):
    """Whether the request after the one of this number, from 1, is the same one."""
    request = lambda line: json.loads(line)["request"]
    return n < len(lines) and request(lines[n]) == request(lines[n - 1])


def blamed(findings, recording):
    """The findings that stand. The referee does not look whether the fault came after the reason to stop (in Chat's usage
    or [DONE]), where nothing of the answer is lost, and takes some retries for new calls; the recording of its answers,
    request by request, tells."""
    lines = open(recording).read().splitlines()
    excused = lambda n: was_complete(lines[n - 1]) or was_asked_again(lines, n)
    excusable = ("truncated_stream_accepted", "malformed_chunk_ignored")
    return [f for f in findings if f["code"] not in excusable or not excused(f["requests"][-1])]


def judge_by_llmock(llmx, tasks, wire, port, faults):
    command = [f"{LLMOCK}/bin/llmock", "serve", "--port", str(port), "--response-style", "varied", *faults]
    with Server(command, port, f"{LLMOCK}/{wire}.log") as server:
        recording = tempfile.mktemp(suffix=".jsonl")
        talk = Conversation(llmx, server.base, wire, f'record = "{recording}"\n')
        ends = [talk.ask(f"u{n}", f"Question {n}: what is {n} plus {n}?") for n in range(tasks)]
        code = talk.close()
        judge = [f"{LLMOCK}/bin/llmock", "report", "--strict", "--url", server.base]
        report = subprocess.run(judge, capture_output=True, text=True)
        verdict = json.loads(subprocess.run(judge + ["--json"], capture_output=True, text=True).stdout)
    print(f"-- llmock report, {wire}\n{report.stdout}{report.stderr}")
    blame = blamed(verdict["findings"], recording)
    print(f"   {len(verdict['findings'])} findings, {len(blame)} of them stand")
    done = sum(end[0] == "task_complete" for end in ends)
    for end in ends:
        if end[0] == "error":
            print("   error:", end[1][:300])
    print(f"   {wire}: {done} of {tasks} tasks complete, {talk.retries} retries, exit code {code}")
    return not blame and done == tasks and code == 0


def fixtures():
    path = f"{AIMOCK}/fixtures.json"
    answers = {f"Question {n}.": f"Answer {n}: " + " ".join(f"word{n}_{i}" for i in range(30)) for n in range(12)}
    entries = [{"match": {"userMessage": question}, "response": {"content": answer}} for question, answer in answers.items()]
    with open(path, "w") as f:
        json.dump({"fixtures": entries}, f)
    return path, answers


def converse_with_aimock(llmx, wire, port, chaos):
    path, answers = fixtures()
    command = [f"{AIMOCK}/node_modules/.bin/llmock", "-p", str(port), "-f", path, "--log-level", "warn", *chaos]
    with Server(command, port, f"{AIMOCK}/{wire}{'-chaos' if chaos else ''}.log") as server:
        talk = Conversation(llmx, server.base, wire)
        said = [talk.ask(f"u{n}", question) for n, question in enumerate(answers)]
        talk.close()
    return said, talk.retries, [("task_complete", "", [answer]) for answer in answers.values()]


def judge_by_aimock(llmx, wire, port):
    calm, _, expected = converse_with_aimock(llmx, wire, port, [])
    chaotic, retries, _ = converse_with_aimock(llmx, wire, port + 1, CHAOS)
    for one, other in zip(calm, chaotic):
        if one != other:
            print("   differs:", str(one)[:300], "\n       and:", str(other)[:300])
    print(f"   {wire}: with chaos as without: {calm == chaotic}, as expected: {calm == expected}, {retries} retries")
    return calm == chaotic == expected


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--llmx", default=f"{ROOT}/target/release/llmx")
    parser.add_argument("--tasks", type=int, default=30)
    parser.add_argument("--port", type=int, default=18110)
    arguments = parser.parse_args()
    install()
    verdicts = {}
    for n, wire in enumerate(WIRES):
        port = arguments.port + 2 * n
        verdicts[f"llmock, {wire}"] = judge_by_llmock(arguments.llmx, arguments.tasks, wire, port, FAULTS)
        broken = judge_by_llmock(arguments.llmx, arguments.tasks, wire, port + 1, BROKEN_EVENTS)
        verdicts[f"llmock with broken events, {wire}"] = broken
        verdicts[f"aimock, {wire}"] = judge_by_aimock(arguments.llmx, wire, arguments.port + 10 + 2 * n)
    for what, holds in verdicts.items():
        print("OK " if holds else "BAD", what)
    raise SystemExit(0 if all(verdicts.values()) else 1)


if __name__ == "__main__":
    main()
