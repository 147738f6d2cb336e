import { expect, test } from "vitest";
import { bytes, duration, fixed, number, percent, signed, tokenText, visible } from "../../src/marks/numerals";

test.each([
  [0, "0"], [1234567, "1,234,567"], [0.123456, "0.123"], [-2.5, "−2.5"], [12345.6, "12,346"], [0.00001234, "1.23e−5"], [null, "–"], [NaN, "–"], [Infinity, "∞"],
])("number %s", (value, shown) => expect(number(value)).toBe(shown));

test.each([[0, "0 %"], [0.5, "50.0 %"], [0.00123, "0.1 %"], [0.0001234, "0.012 %"], [1, "100.0 %"], [null, "–"]])("share %s", (value, shown) => expect(percent(value)).toBe(shown));

test("signs, fixed digits, sizes and times", () => {
  expect([signed(1.234), signed(-1.234), signed(-0.001)]).toEqual(["+1.23", "−1.23", "0.00"]);
  expect([fixed(0.5), fixed(-0.004), fixed(null), fixed(NaN)]).toEqual(["0.50", "0.00", "–", "–"]);
  expect([bytes(512), bytes(1234567), bytes(44.2e9)]).toEqual(["512 B", "1.23 MB", "44.2 GB"]);
  expect([duration(0.2), duration(45), duration(600), duration(7500), duration(null)]).toEqual(["200 ms", "45 s", "10 min", "2 h 5 min", "–"]);
});

test("nothing in a text acts on its surroundings", () => {
  expect(visible("a\nb\tc\u0000\u202e\u2066\u200d\u2028\x7f")).toBe("a↵b→c␀‹202e›‹2066›\u200d‹2028›␡");
  expect(tokenText(" the")).toBe("␣the");
});

test("a token of a megabyte is cut, and says so", () => {
  const shown = visible("x".repeat(1_000_000));
  expect(shown.length).toBeLessThan(4100);
  expect(shown).toContain("1,000,000 characters");
});
