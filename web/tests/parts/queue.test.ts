import { expect, test } from "vitest";
import { waitingWords } from "../../src/parts/queue";

test("a request behind others says its place, one whose turn has come does not", () => {
  expect(waitingWords(2)).toBe("Model busy: place 2 in its queue");
  expect(waitingWords(0)).not.toMatch(/busy|place/);
});
