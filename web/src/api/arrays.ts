/** Arrays on the wire: 8 bytes of length, a JSON header, then the raw numbers (the layout of safetensors). */

export type Numbers = Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

export interface Tensor {
  shape: number[];
  data: Numbers;
}

export type Arrays = Record<string, Tensor>;

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const READERS: Record<string, (bytes: ArrayBuffer) => Numbers> = {
  F64: (bytes) => new Float64Array(bytes),
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => halves(new Uint16Array(bytes)),
  U8: (bytes) => new Uint8Array(bytes),
  BOOL: (bytes) => new Uint8Array(bytes),
  I8: (bytes) => new Int8Array(bytes),
  U16: (bytes) => new Uint16Array(bytes),
  I16: (bytes) => new Int16Array(bytes),
  U32: (bytes) => new Uint32Array(bytes),
  I32: (bytes) => new Int32Array(bytes),
  I64: (bytes) => Float64Array.from(new BigInt64Array(bytes), Number),
};

/** The arrays of an answer by name; half floats are widened. Throws where the bytes are not what the header says. */
export function readArrays(buffer: ArrayBuffer): Arrays {
  if (buffer.byteLength < 8) throw new Error("The answer is too short to hold arrays.");
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (8 + length > buffer.byteLength) throw new Error("The header of the arrays is cut off.");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as Record<string, Entry>;
  const arrays: Arrays = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = entry.data_offsets;
    const read = READERS[entry.dtype];
    if (!read || 8 + length + end > buffer.byteLength) throw new Error(`The array “${name}” cannot be read.`);
    const data = read(buffer.slice(8 + length + start, 8 + length + end));
    if (data.length !== entry.shape.reduce((size, side) => size * side, 1)) throw new Error(`The array “${name}” has the wrong size.`);
    arrays[name] = { shape: entry.shape, data };
  }
  return arrays;
}

/** The texts that the header of an answer carries beside its arrays. */
export function readMetadata(buffer: ArrayBuffer): Record<string, string> {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length))) as { __metadata__?: Record<string, string> };
  return header.__metadata__ ?? {};
}

/** Half floats as floats. */
export function halves(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  for (let place = 0; place < bits.length; place++) {
    const half = bits[place] as number;
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) values[place] = sign * fraction * 2 ** -24;
    else if (exponent === 31) values[place] = fraction ? NaN : sign * Infinity;
    else values[place] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return values;
}
