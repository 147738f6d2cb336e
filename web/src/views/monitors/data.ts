/** What the pages of monitors make of the server's answers: states, levels, bins, heat, and what is said aloud. */
import type { Schemas } from "../../api/client";
import { duration } from "../../marks/numerals";

export type Monitor = Schemas["MonitorOut"];
export type Detail = Schemas["MonitorDetail"];
export type Board = Schemas["Board"];
export type Row = Schemas["Row"];
export type Heard = Schemas["Heard"];
export type Share = Schemas["Share"];
export type LiveMessage = Schemas["LiveMessage"];

export const RING = 5000;
export const LEVELS = ["act", "watch", "quiet", "unscored"] as const;
/** A mark and a word for each level: neither is told by colour alone. */
export const MARKS: Readonly<Record<string, string>> = { act: "▲", watch: "△", quiet: "·", unscored: "✕" };

export interface Stand {
  state: "waiting" | "watching" | "asked" | "stale" | "not monitored";
  says: string;
}

/** Whether a monitor is at work. One that nobody runs, or that is not heard, is never called quiet. */
export function standOf(row: Row | undefined, board: Board | null, now: number): Stand {
  if (!board) return { state: "waiting", says: "" };
  if (!board.gateway) return { state: "not monitored", says: "no gateway is followed" };
  if (!board.is_heard) {
    if (board.since === null) return { state: "not monitored", says: "the gateway was never heard" };
    return { state: "stale", says: `stale since ${duration(Math.max(0, now - board.since))}` };
  }
  if (!row || row.watches === "none") return { state: "not monitored", says: "the gateway does not run it" };
  return row.watches === "all" ? { state: "watching", says: "every request" } : { state: "asked", says: "requests that ask for it" };
}

/** What is not well with a monitor; nothing where it is. */
export function healthOf(monitor: Monitor, row: Row | undefined): string[] {
  const found: string[] = [];
  if (monitor.state === "damaged") found.push("damaged");
  if (monitor.state === "expired") found.push(`calibration expired on ${monitor.expires}`);
  if (monitor.state === "not calibrated") found.push("not calibrated");
  if (monitor.state === "by hand") found.push("thresholds set by hand");
  if (monitor.is_match === false) found.push("made for another model");
  if (row?.version && monitor.version && row.version !== monitor.version) found.push("the gateway runs another version");
  if (row && row.n_failed > 0) found.push(`its scorer failed at ${row.n_failed.toLocaleString("en-US")} tokens`);
  if (!monitor.attacked && monitor.state !== "damaged") found.push("not attacked");
  return found;
}

/** The tape with newer verdicts before older ones, no longer than the ring. */
export function pushed(tape: readonly Heard[], fresh: readonly Heard[], most = RING): readonly Heard[] {
  if (fresh.length === 0) return tape;
  return [...[...fresh].reverse(), ...tape].slice(0, most);
}

/** What the filters of the address let through. */
export function filtered(tape: readonly Heard[], monitor: string, level: string): readonly Heard[] {
  if (!monitor && !level) return tape;
  const isLevel = level === "above" ? (one: Heard): boolean => one.level === "watch" || one.level === "act" : (one: Heard): boolean => !level || one.level === level;
  return tape.filter((one) => isLevel(one) && (!monitor || one.monitor === monitor));
}

/** Says an alert aloud once, when a burst begins; a burst is over after so many seconds without one. */
export class Burst {
  #last = -Infinity;
  #quiet: number;

  constructor(quiet = 30) {
    this.#quiet = quiet;
  }

  /** What is to be said of these verdicts, heard at `now` in seconds; null where nothing is. */
  told(fresh: readonly Heard[], now: number): string | null {
    const alerts = fresh.filter((one) => one.level === "act");
    if (alerts.length === 0) return null;
    const isNew = now - this.#last > this.#quiet;
    this.#last = now;
    if (!isNew) return null;
    const names = [...new Set(alerts.map((one) => one.monitor))].join(", ");
    return `Alert: ${names}.`;
  }
}

export interface Bin {
  low: number;
  high: number;
  counts: number[];
}

/** Some series over the same bins of equal width; what was not judged is left out. */
export function bins(series: readonly (readonly (number | null)[])[], low: number, high: number, n: number): Bin[] {
  const width = (high - low) / n || 1;
  const found = Array.from({ length: n }, (_, at) => ({ low: low + at * width, high: low + (at + 1) * width, counts: series.map(() => 0) }));
  series.forEach((values, which) => {
    for (const value of values) {
      if (value === null) continue;
      const bin = found[Math.min(n - 1, Math.max(0, Math.floor((value - low) / width)))];
      if (bin) bin.counts[which] = (bin.counts[which] ?? 0) + 1;
    }
  });
  return found;
}

/** The ends of an axis over all values and marks, with a little room. */
export function ends(values: readonly (number | null)[]): [number, number] {
  const known = values.filter((one): one is number => one !== null && Number.isFinite(one));
  if (known.length === 0) return [0, 1];
  const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  const room = (high - low || Math.abs(high) || 1) * 0.04;
  return [low - room, high + room];
}

/** Heat of scores: nothing at or below what the middle ordinary text reaches, full at the threshold act. */
export function heatOf(scores: readonly (number | null)[], middle: number | null, top: number | null): { values: number[]; top: number } {
  const known = scores.filter((one): one is number => one !== null);
  const full = top ?? known.reduce((a, b) => Math.max(a, b), -Infinity);
  const low = middle !== null && middle < full ? middle : known.reduce((a, b) => Math.min(a, b), full);
  return { values: scores.map((one) => (one === null ? 0 : Math.max(0, one - low))), top: Math.max(full - low, 1e-9) };
}

/** A share with its interval and what it is of, as short words. */
export function shareText(share: Share | null | undefined, percent: (value: number) => string): string {
  if (!share) return "not measured";
  return `${percent(share.value)} [${percent(share.interval[0] as number)}, ${percent(share.interval[1] as number)}] of ${share.n.toLocaleString("en-US")}`;
}
