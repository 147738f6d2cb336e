/** How jobs are spoken of. */
import type { Schemas } from "../../api/client";
import { duration, number } from "../../marks/numerals";

type Job = Schemas["Job"];
type Step = Schemas["Step"];

export const IS_OVER: ReadonlySet<Job["state"]> = new Set(["done", "failed", "cancelled", "interrupted"]);
export const CAN_RESUME: ReadonlySet<Job["state"]> = new Set(["failed", "cancelled", "interrupted"]);

/** How far a step is: what is done, how fast, and how long still. */
export function howFar(step: Step): string {
  const amount = `${number(step.done)}${step.total === null ? "" : ` of ${number(step.total)}`} ${step.unit}`.trim();
  if (step.is_over) return amount;
  const rate = step.rate > 0 ? `, ${number(step.rate)} a second` : "";
  const left = step.eta !== null && step.rate > 0 ? `, ${duration(step.eta)} left` : "";
  return amount + rate + left;
}

/** The time of day, with the day where it is not today's. */
export function clock(seconds: number, now = Date.now()): string {
  const at = new Date(seconds * 1000);
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return at.toDateString() === new Date(now).toDateString() ? time : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${time}`;
}

/** The page of what a job made, where it has one. */
export function resultPath(job: Job): { path: string; name: string } | null {
  const made = (job.result ?? {}) as Record<string, unknown>;
  if (job.state === "done" && typeof made.discovery === "string") return { path: `/discovery/${encodeURIComponent(made.discovery)}`, name: "Its circuits" };
  const name = typeof made.dictionary === "string" ? made.dictionary : "";
  if (job.state !== "done" || !name) return null;
  if (job.kind === "train") return { path: `/runs/${encodeURIComponent(name)}`, name: "Its curves" };
  if (job.kind === "map") return { path: `/d/${encodeURIComponent(name)}/map`, name: "The map" };
  return { path: `/d/${encodeURIComponent(name)}`, name: "Its features" };
}
