import { expect, test } from "vitest";
import { halves, readArrays } from "../../src/api/arrays";

function packed(header: object, body: Uint8Array): ArrayBuffer {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes.buffer;
}

test("arrays come out with their names, shapes and numbers, wherever the header ends", () => {
  const numbers = new Float32Array([1.5, -2, 3, 4]);
  const body = new Uint8Array([...new Uint8Array(numbers.buffer), 7, 8]);
  const arrays = readArrays(
    packed({ __metadata__: { a: "b" }, x: { dtype: "F32", shape: [2, 2], data_offsets: [0, 16] }, odd: { dtype: "U8", shape: [2], data_offsets: [16, 18] } }, body),
  );
  expect(Object.keys(arrays)).toEqual(["x", "odd"]);
  expect([...arrays.x!.data]).toEqual([1.5, -2, 3, 4]);
  expect(arrays.x!.shape).toEqual([2, 2]);
  expect([...arrays.odd!.data]).toEqual([7, 8]);
});

test.each([
  ["cut off", { x: { dtype: "F32", shape: [4], data_offsets: [0, 16] } }, 8],
  ["an unknown type", { x: { dtype: "BF4", shape: [4], data_offsets: [0, 8] } }, 8],
  ["a wrong shape", { x: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, 8],
])("%s is refused", (_, header, length) => {
  expect(() => readArrays(packed(header, new Uint8Array(length)))).toThrow("x");
});

test("an answer that is shorter than its header is refused", () => {
  expect(() => readArrays(new ArrayBuffer(4))).toThrow();
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, 1_000_000n, true);
  expect(() => readArrays(bytes.buffer)).toThrow("cut off");
});

test("half floats are widened: normal, subnormal, zero, infinite, not a number", () => {
  const bits = new Uint16Array([0x3c00, 0xc000, 0x3555, 0x0001, 0x0000, 0x7c00, 0xfc00, 0x7e00]);
  const values = [...halves(bits)];
  expect(values.slice(0, 2)).toEqual([1, -2]);
  expect(values[2]).toBeCloseTo(1 / 3, 3);
  expect(values[3]).toBeCloseTo(2 ** -24, 12);
  expect(values.slice(4)).toEqual([0, Infinity, -Infinity, NaN]);
});
