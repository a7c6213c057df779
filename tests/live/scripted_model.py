"""A model server for the live tests: Responses API over loopback, scripted by words of the user.

The last of these words in the conversation decides: SAY_HELLO, RUN_SHELL, ASK_FIRST, APPLY_PATCH, SLOW, STRUCTURED, RECALL.
After the output of a call it says so. Standard library only.
"""
import http.server
import json
import threading
import time
import itertools

WORDS = ("SAY_HELLO", "RUN_SHELL", "ASK_FIRST", "APPLY_PATCH", "SLOW", "STRUCTURED", "RECALL")
PATCH = "*** Begin Patch\n*** Add File: patched.txt\n+patched by the model\n*** End Patch\n"
count = itertools.count(1)


def text_of(item):
    content = item.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def answer(body):
    """-> (deltas, calls, seconds between deltas)"""
    users = [text_of(item) for item in body["input"] if item.get("role") == "user"]
    said = [(text.rfind(word), word) for text in users for word in WORDS if word in text]
    word = said[-1][1] if said else "SAY_HELLO"
    last = body["input"][-1]
    if last.get("type") in ("function_call_output", "custom_tool_call_output"):
        return ["The tool ", "said: ", str(last.get("output"))[:200]], [], 0
    shell = lambda script, **more: ("shell", {"command": ["bash", "-c", script], **more})
    if word == "RUN_SHELL":
        return [], [shell("echo shell-ok-$((6*7))")], 0
    if word == "ASK_FIRST":
        return [], [shell("echo ran > ran.txt && echo ran", with_escalated_permissions=True, justification="to write")], 0
    if word == "APPLY_PATCH":
        return [], [("apply_patch", {"input": PATCH})], 0
    if word == "SLOW":
        return ["word%d " % n for n in range(600)], [], 0.05
    if word == "STRUCTURED":
        schema = ((body.get("text") or {}).get("format") or {}).get("schema")
        return ['{"answer": 42}'] if schema else ["no schema"], [], 0
    if word == "RECALL":
        return ["I see %d user messages" % sum("RECALL" in t or "SAY_HELLO" in t for t in users)], [], 0
    return ["Hello ", "from ", "the ", "model."], [], 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            self.stream(body)
            self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def event(self, kind, **members):
        data = b"event: %s\ndata: %s\n\n" % (kind.encode(), json.dumps({"type": kind, **members}).encode())
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def stream(self, body):
        number = next(count)
        response = {"id": "resp_%d" % number, "status": "in_progress"}
        self.event("response.created", response=response)
        deltas, calls, pause = answer(body)
        if deltas:
            item = {"id": "msg_%d" % number, "type": "message", "role": "assistant", "content": []}
            self.event("response.output_item.added", output_index=0, item=item)
            for delta in deltas:
                self.event("response.output_text.delta", item_id=item["id"], output_index=0, content_index=0, delta=delta)
                time.sleep(pause)
            content = [{"type": "output_text", "text": "".join(deltas), "annotations": []}]
            self.event("response.output_item.done", output_index=0, item={**item, "content": content})
        for name, arguments in calls:
            item = {"id": "fc_%d" % number, "type": "function_call", "call_id": "call_%d" % number, "name": name,
                    "arguments": json.dumps(arguments), "status": "completed"}
            self.event("response.output_item.done", output_index=0, item=item)
        usage = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 10}, "output_tokens": 20,
                 "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 120}
        self.event("response.completed", response={**response, "status": "completed", "usage": usage})


def start():
    """-> the base URL of a server that runs as long as this process"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d/v1" % server.server_address[1]


def write_config(home, url, sandbox="read-only"):
    with open(home + "/config.toml", "w", encoding="utf-8") as file:
        file.write('model = "scripted"\nmodel_provider = "scripted"\napproval_policy = "on-request"\n'
                   'sandbox_mode = "%s"\n[model_providers.scripted]\nname = "Scripted"\nbase_url = "%s"\n' % (sandbox, url))
