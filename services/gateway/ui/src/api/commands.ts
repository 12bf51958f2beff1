/** Writes. Each changes something on the server and is told apart from a repeat by its key. */
import { randomKey } from "@/lib/ids";
import { answer, client } from "./client";

export type StartRun = { process_id: string; inputs?: Record<string, unknown>; from_run?: string | null; from_step?: string | null };

export function startRun(body: StartRun) {
  return answer(
    client.POST("/api/v1/runs", {
      body: { inputs: {}, ...body },
      headers: { "Idempotency-Key": randomKey() },
    }),
  );
}

export function cancelRun(runId: string) {
  return answer(client.POST("/api/v1/runs/{run_id}/cancel", { params: { path: { run_id: runId } } }));
}

export function signIn(username: string, password: string) {
  return answer(client.POST("/api/v1/session", { body: { username, password } }));
}

export function signInByLink(code: string) {
  return answer(client.POST("/api/v1/session/link", { body: { code } }));
}

export async function signOut(): Promise<void> {
  await answer(client.DELETE("/api/v1/session"));
}
