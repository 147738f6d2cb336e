import { expect, test } from "vitest";
import { csv } from "../../src/parts/save";

test("cells with commas, quotes and line ends are quoted; formulas stay text", () => {
  expect(csv(["a", "b"], [['say "hi"', 'x,y'], ["=1+1", -2], ["two\nlines", null]])).toBe(
    'a,b\r\n"say ""hi""","x,y"\r\n\'=1+1,-2\r\n"two\nlines",\r\n',
  );
});
