import { expect, test } from "vitest";
import { trust, type Facts } from "../../src/parts/trust";

const FACTS: Facts = { label: "token", score: 0.618, n: 71, unit: "passages", null: 0.5, is_better: true };

test("a label stands with its score, what others score, and what it is over", () => {
  expect(trust(FACTS)).toBe("accuracy 0.62, others’ labels 0.50, n = 71 passages");
});

test("what is not shown to be better is said", () => {
  expect(trust({ ...FACTS, is_better: false })).toBe("accuracy 0.62, others’ labels 0.50, n = 71 passages: not shown to be better");
});

test("a label that was never held against others says its own score alone", () => {
  expect(trust({ ...FACTS, null: null, is_better: false, n: 16265, unit: "tokens" })).toBe("accuracy 0.62, n = 16,265 tokens");
});

test("without a label or a score there is nothing to trust", () => {
  expect(trust({ ...FACTS, label: "" })).toBe("");
  expect(trust({ ...FACTS, score: null })).toBe("no score");
});
