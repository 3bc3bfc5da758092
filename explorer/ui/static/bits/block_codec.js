/**
 * One block of a block format, taken apart: its scale, and each element's code and what it stands for. The browser's
 * twin of `explorer.formats`' `BlockFormatSpec.parts`; the rules are written out in `explorer/formats/scales.py`.
 */

import { decode } from "../shared/codec.js";
import { encode } from "../shared/encode.js";
import { quantizeNumber } from "../shared/quantize.js";
import { floorLog2, fromNumber } from "../shared/rational.js";

/**
 * @typedef {object} BlockFormat as `explorer.formats.block_catalogue()` gives it
 * @property {string} name
 * @property {string} label
 * @property {string} element name of the elements' format
 * @property {string} scale name of the scale's format
 * @property {number} block_size
 * @property {"mx-floor" | "nvfp4"} scale_rule
 * @property {boolean} has_tensor_scale
 * @property {number} bits_per_value
 * @property {number} largest_element_exponent
 *
 * @typedef {object} BlockElement
 * @property {number} given the number that came in
 * @property {number} scaled that number over the scale and the tensor scale, which is what was rounded
 * @property {bigint} code of the element format; 0 in a block whose scale is NaN
 * @property {number} element what the code is worth by itself
 * @property {number} value what it stands for, as float32
 *
 * @typedef {object} BlockParts
 * @property {number} amax largest magnitude; NaN where there is one
 * @property {bigint} scaleCode
 * @property {number} scale
 * @property {number | null} tensorScale null in a format without one
 * @property {number} step worth of an element of 1: scale times tensor scale
 * @property {BlockElement[]} elements
 */

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;
const LEAST_NORMAL_FLOAT32 = 2 ** -126;

/**
 * The float32 that maps a tensor's largest finite magnitude to the largest element times the largest scale
 * (NVIDIA 2025, arXiv 2509.25149, appendix C), within float32's normal numbers; 1 for a tensor of zeros.
 * @param {number} tensorAmax
 * @param {import("../shared/codec.js").Format} element
 * @param {import("../shared/codec.js").Format} scale
 */
export function tensorScaleFor(tensorAmax, element, scale) {
  if (tensorAmax === 0) return 1;
  const wanted = tensorAmax / (element.max * scale.max);
  return Math.fround(Math.min(Math.max(wanted, LEAST_NORMAL_FLOAT32), LARGEST_FLOAT32));
}

/** The largest finite magnitude, as the tensor scale follows from it; under `saturate` infinity counts as float32's largest. */
export function tensorAmaxOf(numbers, overflow) {
  let amax = 0;
  for (const number of numbers) {
    const magnitude = Math.abs(number);
    const taken = overflow === "saturate" ? Math.min(magnitude, LARGEST_FLOAT32) : magnitude;
    if (Number.isFinite(taken) && taken > amax) amax = taken;
  }
  return amax;
}

/** OCP MX 1.0, section 6.3: the largest power of two in amax over the largest in the element format. */
function mxFloor(block, amax, scale) {
  const least = -scale.bias;
  if (amax === 0) return 2 ** least;
  const { n, d } = fromNumber(amax);
  const exponent = floorLog2(n, d) - block.largest_element_exponent;
  return 2 ** Math.min(Math.max(exponent, least), Math.floor(Math.log2(scale.max)));
}

/** The largest magnitude; NaN where there is a NaN. */
const largest = (numbers) => numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);

/**
 * @param {number[]} given from one to `block_size` numbers
 * @param {{block: BlockFormat, element: import("../shared/codec.js").Format, scale: import("../shared/codec.js").Format}} formats
 * @param {object} how
 * @param {string} how.rounding of the elements; the scale follows its rule
 * @param {string} how.overflow
 * @param {() => number} [how.random] for stochastic rounding, one draw an element
 * @param {number} [how.tensorScale] where the format has one; without it the block is the whole tensor; taken as float32
 * @returns {BlockParts}
 */
export function partsOf(given, { block, element, scale }, { rounding, overflow, random, tensorScale }) {
  const saturate = overflow === "saturate";
  const numbers = saturate ? given.map((x) => Math.min(Math.max(x, -LARGEST_FLOAT32), LARGEST_FLOAT32)) : given;
  const shared = block.has_tensor_scale
    ? Math.fround(tensorScale ?? tensorScaleFor(tensorAmaxOf(given, overflow), element, scale))
    : null;
  const amax = largest(numbers);
  let factor = NaN;
  if (Number.isFinite(amax)) {
    factor =
      block.scale_rule === "nvfp4"
        ? quantizeNumber(amax / element.max / shared, scale, "nearest-even", "saturate")
        : mxFloor(block, amax, scale);
  }
  const step = shared === null ? factor : factor * shared;
  const elements = numbers.map((number, at) => {
    // A scale that has become zero leaves nothing of its block but the signs.
    const scaled = Number.isNaN(step) ? NaN : step ? number / step : number * 0;
    const code = Number.isNaN(step) ? 0n : encode(fromNumber(scaled), element, rounding, "saturate", random);
    const worth = decode(code, element).value;
    return { given: given[at], scaled, code, element: worth, value: Math.fround(worth * step) };
  });
  const scaleCode = encode(fromNumber(factor), scale, "nearest-even", "native");
  return { amax, scaleCode, scale: factor, tensorScale: shared, step, elements };
}
