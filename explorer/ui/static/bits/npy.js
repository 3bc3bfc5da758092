/** NumPy's .npy header (numpy.lib.format, versions 1 to 3): which type, which shape, where the values begin. */

import { BadInput } from "../shared/bad-input.js";

const MAGIC = "\x93NUMPY";
/** A header of plain numbers has about a hundred bytes; one that asks for more than this is no header. */
const MOST_HEADER = 1_000_000;

/** NumPy's kind and size of a number, as safetensors names it. */
const TYPES = {
  f2: "F16", f4: "F32", f8: "F64", b1: "BOOL",
  i1: "I8", i2: "I16", i4: "I32", i8: "I64",
  u1: "U8", u2: "U16", u4: "U32", u8: "U64",
};

/** @param {Uint8Array} bytes the file's first */
export function isNpy(bytes) {
  return MAGIC.split("").every((letter, at) => bytes[at] === letter.charCodeAt(0));
}

/**
 * The one array of the file.
 * @param {Blob} file
 * @returns {Promise<import("./files.js").StoredArray[]>}
 * @throws {BadInput}
 */
export async function arrays(file) {
  const begin = new DataView(await file.slice(0, 12).arrayBuffer());
  if (begin.byteLength < 12) throw new BadInput("The file is cut short: it ends within its header.");
  const version = begin.getUint8(6);
  if (version < 1 || version > 3) {
    throw new BadInput(`The file is of version ${version} of the .npy format; versions 1, 2 and 3 can be read.`);
  }
  const [start, length] = version === 1 ? [10, begin.getUint16(8, true)] : [12, begin.getUint32(8, true)];
  if (start + length > file.size) throw new BadInput("The file is cut short: it ends within its header.");
  if (length > MOST_HEADER) throw new BadInput("The file's header is too long to be one of numbers.");
  const header = new TextDecoder(version === 3 ? "utf-8" : "latin1").decode(await file.slice(start, start + length).arrayBuffer());
  const descr = /'descr':\s*(?:'([^']*)'|(\[))/.exec(header);
  const shape = /'shape':\s*\(([\d\s,L]*)\)/.exec(header);
  if (!descr || !shape) throw new BadInput("The file's header does not say of which type and shape its numbers are.");
  const { type, little } = numberType(descr[2] ? null : descr[1]);
  const sizes = (shape[1].match(/\d+/g) ?? []).map(Number);
  return [{ name: "", type, little, shape: sizes, start: start + length, end: file.size }];
}

/** @param {string | null} descr such as "<f4"; null for fields with names */
function numberType(descr) {
  if (descr === null) throw new BadInput("The file holds records with named fields; an array of plain numbers is needed.");
  const [, order, kind] = /^([<>|=]?)(.*)$/.exec(descr);
  if (kind in TYPES) return { type: TYPES[kind], little: order !== ">" };
  if (kind === "O") {
    throw new BadInput("The file holds Python objects, which are never unpickled here; save an array of plain numbers.");
  }
  if (/^[SUa]\d*$/.test(kind)) throw new BadInput("The file holds texts; an array of plain numbers is needed.");
  if (/^c\d+$/.test(kind)) throw new BadInput("The file holds complex numbers; save the real or the imaginary part.");
  if (/^V\d+$/.test(kind)) {
    throw new BadInput("The file says only how many bytes its numbers have, as NumPy does for BF16 and FP8; save float32, or use safetensors.");
  }
  throw new BadInput(`The file holds numbers of type ${descr.slice(0, 20)}; floats of up to 64 bits, whole numbers and booleans can be read.`);
}
