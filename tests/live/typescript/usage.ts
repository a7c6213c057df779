// What a client in TypeScript does with the generated types. It is compiled, never run.
import type { ClientRequest, JSONRPCError, ServerNotification, ServerRequest, v2 } from "./index";

// Requests have the params of their method.
export const start: ClientRequest = { id: 1, method: "thread/start", params: { model: "m", approvalPolicy: "on-request" } };
export const older: ClientRequest = { id: "a", method: "thread/start", params: { approvalPolicy: "unlessTrusted" } };
export const none: ClientRequest = { id: 2, method: "account/logout" };
export const say: ClientRequest = {
  id: 3,
  method: "turn/start",
  params: {
    threadId: "t",
    input: [{ type: "text", text: "hello" }, { type: "localImage", path: "/a.png" }],
    sandboxPolicy: { type: "workspaceWrite", writableRoots: ["/w"] },
    outputSchema: { type: "object" },
  },
};
// @ts-expect-error a method that there is not
export const unknownMethod: ClientRequest = { id: 4, method: "thread/fly", params: {} };
// @ts-expect-error a member that has to be there
export const noThread: ClientRequest = { id: 5, method: "turn/start", params: { input: [] } };
// @ts-expect-error a word that is none
export const noPolicy: v2.ThreadStartParams = { approvalPolicy: "sometimes" };

// A notification's method says what its params are, an item's type what its members are.
export function show(said: ServerNotification): string | number | null {
  switch (said.method) {
    case "item/agentMessage/delta":
      return said.params.delta;
    case "turn/completed":
      return said.params.turn.error?.message ?? said.params.usage.outputTokens;
    case "item/completed": {
      const item: v2.ThreadItem = said.params.item;
      return item.type === "commandExecution" ? item.exitCode : item.type === "agentMessage" ? item.text : null;
    }
    case "thread/status/changed":
      return said.params.status.type === "active" ? said.params.status.activeFlags.length : 0;
    default:
      return said.emittedAtMs;
  }
}

// Questions are answered with a decision.
export function decide(question: ServerRequest): v2.CommandExecutionRequestApprovalResponse {
  if (question.method === "item/commandExecution/requestApproval") {
    const command: string = question.params.command;
    return { decision: command === "ls" ? "acceptForSession" : "decline" };
  }
  return { decision: question.params.reason === null ? "cancel" : "accept" };
}

export const codeOf = (error: JSONRPCError): number => error.error.code;
