/** The header of a .safetensors file: a length, then JSON that gives each tensor's type, shape and place. */

import { BadInput } from "../shared/bad-input.js";

/** The limit of the reference implementation (huggingface/safetensors, MAX_HEADER_SIZE). */
const MOST_HEADER = 100_000_000;

/**
 * The length of the header, where the file begins as a .safetensors file does.
 * @param {Uint8Array} bytes the file's first nine or more
 * @returns {number | null}
 */
export function headerLength(bytes) {
  if (bytes.length < 9 || bytes[8] !== "{".charCodeAt(0)) return null;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  return length >= 2 && length <= MOST_HEADER ? length : null;
}

/**
 * The file's tensors, in the order in which they lie in it.
 * @param {Blob} file
 * @param {number} length of the header
 * @returns {Promise<import("./files.js").StoredArray[]>}
 * @throws {BadInput}
 */
export async function arrays(file, length) {
  const begin = 8 + length;
  if (begin > file.size) throw new BadInput("The file is cut short: it ends within its header.");
  const found = [];
  for (const [name, tensor] of Object.entries(await header(file, begin))) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets: offsets } = tensor ?? {};
    const sound = typeof dtype === "string" && areSizes(shape) && areSizes(offsets) && offsets.length === 2;
    if (!sound || offsets[0] > offsets[1]) throw new BadInput(`The header does not say where tensor ${echo(name)} lies.`);
    if (begin + offsets[1] > file.size) {
      throw new BadInput(`The file is cut short: tensor ${echo(name)} should end at byte ${begin + offsets[1]}, the file ends at ${file.size}.`);
    }
    found.push({ name, type: dtype, little: true, shape, start: begin + offsets[0], end: begin + offsets[1] });
  }
  if (!found.length) throw new BadInput("The file holds no tensor.");
  return found.sort((one, other) => one.start - other.start);
}

async function header(file, begin) {
  try {
    return JSON.parse(await file.slice(8, begin).text());
  } catch (error) {
    if (error instanceof SyntaxError) throw new BadInput("The file's header is not JSON, as that of a .safetensors file is.");
    throw error;
  }
}

function areSizes(list) {
  return Array.isArray(list) && list.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function echo(name) {
  return name.length > 60 ? `${name.slice(0, 59)}…` : name;
}
