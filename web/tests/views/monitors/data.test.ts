import { describe, expect, it } from "vitest";
import { bins, Burst, ends, filtered, healthOf, heatOf, pushed, standOf, type Board, type Heard, type Monitor, type Row } from "../../../src/views/monitors/data";

const BOARD: Board = { gateway: "http://g", is_heard: true, since: 100, problem: "", lag: null, n_requests: 0, n_lost: 0, n_kept: 0, rows: [] };
const ROW = { name: "m", watches: "all", version: "v1", n_failed: 0 } as Row;
const MONITOR = { name: "m", state: "calibrated", version: "v1", is_match: null, attacked: true, expires: "2027-01-01" } as Monitor;

function heard(n: number, level = "quiet", monitor = "m"): Heard {
  return { n, time: n, request: `req-${n}`, monitor, level, peak: 0, at: null, probability: null, action: "", n_tokens: 3, reason: "stop" };
}

describe("whether a monitor is at work", () => {
  it("tells one that nobody runs from one that is quiet", () => {
    expect(standOf(ROW, BOARD, 100).state).toBe("watching");
    expect(standOf({ ...ROW, watches: "asked" }, BOARD, 100).state).toBe("asked");
    expect(standOf({ ...ROW, watches: "none" }, BOARD, 100).state).toBe("not monitored");
    expect(standOf(undefined, BOARD, 100).state).toBe("not monitored");
    expect(standOf(undefined, { ...BOARD, gateway: "" }, 100)).toEqual({ state: "not monitored", says: "no gateway is followed" });
  });
  it("says since when it is not heard", () => {
    expect(standOf(ROW, { ...BOARD, is_heard: false }, 145)).toEqual({ state: "stale", says: "stale since 45 s" });
    expect(standOf(ROW, { ...BOARD, is_heard: false, since: null }, 145).state).toBe("not monitored");
    expect(standOf(ROW, null, 145).state).toBe("waiting");
  });
  it("names what is not well", () => {
    expect(healthOf(MONITOR, ROW)).toEqual([]);
    expect(healthOf({ ...MONITOR, state: "expired", attacked: false }, { ...ROW, version: "v2", n_failed: 2 })).toEqual([
      "calibration expired on 2027-01-01",
      "the gateway runs another version",
      "its scorer failed at 2 tokens",
      "not attacked",
    ]);
  });
});

describe("the tape", () => {
  it("has the newest first and no more than the ring", () => {
    const tape = pushed(pushed([], [heard(1), heard(2)]), [heard(3), heard(4)], 3);
    expect(tape.map((one) => one.n)).toEqual([4, 3, 2]);
    expect(pushed(tape, [])).toBe(tape);
  });
  it("is filtered by monitor and level", () => {
    const tape = [heard(1), heard(2, "watch"), heard(3, "act", "other"), heard(4, "unscored", "")];
    const shown = (monitor: string, level: string): number[] => filtered(tape, monitor, level).map((one) => one.n);
    expect(shown("", "above")).toEqual([2, 3]);
    expect(shown("m", "above")).toEqual([2]);
    expect(shown("", "unscored")).toEqual([4]);
    expect(filtered(tape, "", "")).toBe(tape);
  });
});

describe("what is said aloud", () => {
  it("is said once for each burst", () => {
    const burst = new Burst(30);
    expect(burst.told([heard(1), heard(2, "watch")], 0)).toBeNull();
    expect(burst.told([heard(3, "act"), heard(4, "act", "other")], 1)).toBe("Alert: m, other.");
    expect(burst.told([heard(5, "act")], 25)).toBeNull();
    expect(burst.told([heard(6, "act")], 50)).toBeNull();
    expect(burst.told([heard(7, "act")], 81)).toBe("Alert: m.");
  });
});

describe("drawing", () => {
  it("counts every judged text in one bin", () => {
    const found = bins([[0, 0.5, null, 4], [4]], 0, 4, 4);
    expect(found.map((one) => one.counts)).toEqual([[2, 0], [0, 0], [0, 0], [1, 1]]);
    expect(found[1]).toMatchObject({ low: 1, high: 2 });
  });
  it("gives an axis room, and one for nothing", () => {
    expect(ends([null])).toEqual([0, 1]);
    const [low, high] = ends([-2, 3, null]);
    expect([low, high]).toEqual([-2.2, 3.2]);
  });
  it("is hot from the middle of ordinary texts to the threshold, also below zero", () => {
    const heat = heatOf([null, -9, -5, -1], -5, -1);
    expect(heat).toEqual({ values: [0, 0, 0, 4], top: 4 });
    expect(heatOf([1, 3], null, null)).toEqual({ values: [0, 2], top: 2 });
    expect(heatOf([1, 3], 7, 2)).toEqual({ values: [0, 2], top: 1 });
  });
});
