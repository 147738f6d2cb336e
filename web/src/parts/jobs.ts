/** Starting work that takes longer than a request. */
import { post } from "../api/client";

/** Starts a job and returns its id. */
export async function startJob(kind: string, args: Record<string, unknown>): Promise<string> {
  return (await post("/api/jobs", { body: { kind, arguments: args } })).id;
}
