/**
 * Numbers out of a file, read in the browser: .npy and .safetensors, both plain bytes behind a header. Nothing in a file
 * is ever run: pickles are refused.
 *
 * @typedef {object} StoredArray
 * @property {string} name empty where a file holds one array only
 * @property {string} type as safetensors names it: F32, I8 …
 * @property {boolean} little whether the lowest byte comes first
 * @property {number[]} shape
 * @property {number} start position of its first byte
 * @property {number} end and of the byte after its last
 */

import { BadInput } from "../shared/bad-input.js";
import { humanBytes } from "../shared/bytes.js";
import { decode } from "../shared/codec.js";
import * as npy from "./npy.js";
import * as safetensors from "./safetensors.js";

export const MOST_BYTES = 256 * 2 ** 20;
export const MOST_VALUES = 4_000_000;
/** Bytes taken from the file at a time. */
const PIECE = 8 * 2 ** 20;

/** What reads a value of the types that a DataView knows; 64-bit whole numbers beyond 2^53 become the nearest double. */
const READERS = {
  F64: [8, (view, at, little) => view.getFloat64(at, little)],
  F32: [4, (view, at, little) => view.getFloat32(at, little)],
  I64: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  U64: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  I32: [4, (view, at, little) => view.getInt32(at, little)],
  U32: [4, (view, at, little) => view.getUint32(at, little)],
  I16: [2, (view, at, little) => view.getInt16(at, little)],
  U16: [2, (view, at, little) => view.getUint16(at, little)],
  I8: [1, (view, at) => view.getInt8(at)],
  U8: [1, (view, at) => view.getUint8(at)],
  BOOL: [1, (view, at) => Number(view.getUint8(at) !== 0)],
};

/** Types that are a format's codes, and the format. */
const CODED = {
  F16: "fp16",
  BF16: "bf16",
  F8_E4M3: "e4m3fn",
  F8_E5M2: "e5m2",
  F8_E4M3FNUZ: "e4m3fnuz",
  F8_E5M2FNUZ: "e5m2fnuz",
  F8_E8M0: "e8m0",
};
/** Types whose values float32 does not hold. */
const WIDE = ["F64", "I64", "U64", "I32", "U32"];

/** Whether the values of an array can be read, and there are any. @param {StoredArray} array */
export function isReadable({ type, shape }) {
  return (Object.hasOwn(READERS, type) || Object.hasOwn(CODED, type)) && !shape.includes(0);
}

/**
 * What a file holds, from its header alone.
 * @param {File} file
 * @returns {Promise<StoredArray[]>}
 * @throws {BadInput}
 */
export async function contents(file) {
  if (file.size > MOST_BYTES) {
    throw new BadInput(`${file.name} has ${humanBytes(file.size)}; files of up to ${humanBytes(MOST_BYTES)} can be read here.`);
  }
  if (file.size === 0) throw new BadInput(`${file.name} is empty.`);
  const begin = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  if (npy.isNpy(begin)) return npy.arrays(file);
  const length = safetensors.headerLength(begin);
  if (length !== null) return safetensors.arrays(file, length);
  const pickled = (begin[0] === 0x50 && begin[1] === 0x4b) || begin[0] === 0x80;
  const why = pickled ? "a zip archive or a pickle, which is not opened here: it may run code" : "neither a .npy nor a .safetensors file";
  throw new BadInput(`${file.name} is ${why}. Save the tensor with numpy.save or with safetensors.`);
}

/**
 * The values of one array; of more than {@link MOST_VALUES} every second, third … one.
 * @param {File} file
 * @param {StoredArray} array
 * @param {object[]} catalogue
 * @returns {Promise<{values: Float32Array | Float64Array, count: number, stride: number}>}
 * @throws {BadInput}
 */
export async function read(file, array, catalogue) {
  const what = array.name ? `Tensor ${array.name}` : "The array";
  const [size, get] = reader(array.type, catalogue, what);
  const count = array.shape.reduce((product, length) => product * length, 1);
  if (count === 0) throw new BadInput(`${what} is empty: its shape is ${array.shape.join(" × ")}.`);
  const bytes = array.end - array.start;
  if (count * size !== bytes) {
    const shape = array.shape.join(" × ") || "one number";
    throw new BadInput(`${what} should have ${count * size} bytes (${shape} of ${array.type}), but the file has ${bytes} for it.`);
  }
  const stride = Math.ceil(count / MOST_VALUES);
  const values = new (WIDE.includes(array.type) ? Float64Array : Float32Array)(Math.ceil(count / stride));
  const step = stride * size;
  // Pieces begin at a value that is taken.
  const piece = Math.max(Math.floor(PIECE / step), 1) * step;
  let taken = 0;
  for (let at = 0; at < bytes; at += piece) {
    const view = new DataView(await file.slice(array.start + at, array.start + Math.min(at + piece, bytes)).arrayBuffer());
    for (let offset = 0; offset < view.byteLength; offset += step) values[taken++] = get(view, offset, array.little);
  }
  return { values, count, stride };
}

/** Bytes a value has, and the function that reads one. */
function reader(type, catalogue, what) {
  if (Object.hasOwn(READERS, type)) return READERS[type];
  const format = Object.hasOwn(CODED, type) && catalogue.find(({ name }) => name === CODED[type]);
  if (!format) {
    const known = [...Object.keys(READERS), ...Object.keys(CODED)].join(", ");
    throw new BadInput(`${what} is of type ${type.slice(0, 20)}, which is not read here; ${known} are.`);
  }
  const values = Float64Array.from({ length: 2 ** format.bits }, (_, code) => decode(code, format).value);
  if (format.bits === 8) return [1, (view, at) => values[view.getUint8(at)]];
  return [2, (view, at, little) => values[view.getUint16(at, little)]];
}
