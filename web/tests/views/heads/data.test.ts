import { describe, expect, it } from "vitest";
import { inWords, markOf, stepped, strongest, type HeadMap } from "../../../src/views/heads/data";

const map: HeadMap = { name: "induction", about: "", is_signed: false, values: [[0.1, null], [0.9, 0.5]], controls: [[0.1, 0], [0.2, 0]], control_name: "c" };

describe("scores of heads", () => {
  it("are as hot as they are large, and empty where there is none", () => {
    const mark = markOf(map);
    expect(mark(1, 0)).toEqual({ text: "0.90", heat: 1 });
    expect(mark(0, 1).heat).toBeNaN();
    expect(markOf({ ...map, is_signed: true, values: [[-0.5, 1]] })(0, 0)).toEqual({ text: "−0.50", heat: -0.5 });
  });
  it("are told with their control", () => {
    expect(inWords(map, { row: 1, column: 0 })).toBe("head 1.0: induction 0.90, control 0.20");
    expect(inWords({ ...map, controls: null }, { row: 1, column: 0 })).toBe("head 1.0: induction 0.90");
  });
  it("are ranked", () => {
    expect(strongest(map, 2).map((one) => [one.row, one.column, one.control])).toEqual([[1, 0, 0.2], [1, 1, 0]]);
  });
  it("lead from head to head, round the end", () => {
    expect(stepped(0, 8, 1, 2, 9)).toEqual({ layer: 1, head: 0 });
    expect(stepped(0, 0, -1, 2, 9)).toEqual({ layer: 1, head: 8 });
  });
});
