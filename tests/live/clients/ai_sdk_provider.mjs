// The jobs of ai_sdk_provider.py: for each a line with its name and why it failed, or null.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { generateObject, generateText, streamText } from "ai";
import { createCodexAppServer } from "ai-sdk-provider-codex-cli";
import { z } from "zod";

const { llmx, work, environment } = JSON.parse(process.argv[2]);
const base = { codexPath: llmx, cwd: work, env: environment, logger: false };
const key = "codex-app-server";

async function job(name, does) {
  try {
    await does();
    console.log(JSON.stringify([name, null]));
  } catch (error) {
    console.log(JSON.stringify([name, String(error?.stack ?? error)]));
  }
}

function took(name) {
  const path = `${work}/${name}`;
  const there = existsSync(path);
  rmSync(path, { force: true });
  return there;
}

async function parts(model, prompt, options = {}) {
  const all = [];
  for await (const part of streamText({ model, prompt, ...options }).fullStream) all.push(part);
  return all;
}

const free = createCodexAppServer({ defaultSettings: { ...base, sandboxPolicy: "danger-full-access" } });
let thread;

await job("text", async () => {
  const options = { [key]: { threadMode: "persistent" } };
  const said = await generateText({ model: free("scripted"), prompt: "SAY_HELLO please", providerOptions: options });
  assert.equal(said.text, "Hello from the model.");
  assert.equal(said.usage.inputTokens, 100);
  thread = said.providerMetadata[key].threadId;
  assert.ok(thread);
});

await job("streamed text", async () => {
  const deltas = [];
  const { textStream } = streamText({ model: free("scripted"), prompt: "SAY_HELLO" });
  for await (const delta of textStream) deltas.push(delta);
  assert.deepEqual(deltas, ["Hello ", "from ", "the ", "model."]);
});

await job("command", async () => {
  const all = await parts(free("scripted"), "RUN_SHELL");
  const results = all.filter((part) => part.type === "tool-result");
  assert.match(JSON.stringify(results), /shell-ok-42/, JSON.stringify(all));
});

await job("patch", async () => {
  const all = await parts(free("scripted"), "APPLY_PATCH");
  assert.ok(took("patched.txt"), JSON.stringify(all));
  assert.ok(all.some((part) => part.type === "tool-result"), JSON.stringify(all));
});

await job("structured output", async () => {
  const schema = z.object({ answer: z.number().int() });
  const { object } = await generateObject({ model: free("scripted"), schema, prompt: "STRUCTURED" });
  assert.deepEqual(object, { answer: 42 });
});

await job("resume", async () => {
  const options = { [key]: { threadId: thread } };
  const said = await generateText({ model: free("scripted"), prompt: "RECALL", providerOptions: options });
  assert.match(said.text, /user messages/);
  assert.equal(said.providerMetadata[key].threadId, thread);
});

await job("interrupt", async () => {
  let session;
  const options = { [key]: { onSessionCreated: (made) => { session = made; } } };
  const all = [];
  const { fullStream } = streamText({ model: free("scripted"), prompt: "SLOW", providerOptions: options });
  for await (const part of fullStream) {
    all.push(part);
    if (part.type === "text-delta" && session.isActive()) await session.interrupt();
  }
  assert.ok(!session.isActive());
  assert.equal(all.at(-1).type, "finish", JSON.stringify(all.slice(-3)));
});

await job("abort", async () => {
  const stop = new AbortController();
  const { fullStream } = streamText({ model: free("scripted"), prompt: "SLOW", abortSignal: stop.signal });
  let last;
  for await (const part of fullStream) {
    last = part;
    if (part.type === "text-delta") stop.abort();
  }
  assert.equal(last.type, "abort");
});

await job("steer", async () => {
  let session;
  let injected = false;
  let text = "";
  const options = { [key]: { onSessionCreated: (made) => { session = made; } } };
  const { fullStream } = streamText({ model: free("scripted"), prompt: "SLOW", providerOptions: options });
  for await (const part of fullStream) {
    if (part.type !== "text-delta") continue;
    text += part.text;
    if (!injected) {
      injected = true;
      await session.injectMessage("SAY_HELLO instead");
    }
  }
  assert.match(text, /Hello from the model\.$/);
});

await job("models", async () => {
  const { models } = await free.listModels();
  assert.deepEqual(models.map((model) => model.id), ["scripted"]);
});
await free.close();

for (const [decision, ran] of [["accept", true], ["decline", false]]) {
  const asked = [];
  const decide = async ({ method }) => {
    asked.push(method);
    return { decision };
  };
  const serverRequests = { onCommandExecutionApproval: decide, onFileChangeApproval: decide };
  const settings = { ...base, sandboxPolicy: "read-only", approvalPolicy: "on-request", serverRequests };
  const asking = createCodexAppServer({ defaultSettings: settings });
  await job(`approval of a command: ${decision}`, async () => {
    await generateText({ model: asking("scripted"), prompt: "ASK_FIRST" });
    assert.deepEqual(asked, ["item/commandExecution/requestApproval"]);
    assert.equal(took("ran.txt"), ran);
  });
  await job(`approval of a patch: ${decision}`, async () => {
    await generateText({ model: asking("scripted"), prompt: "APPLY_PATCH" });
    assert.equal(asked[1], "item/fileChange/requestApproval");
    assert.equal(took("patched.txt"), ran);
  });
  await asking.close();
}
