/** A whole tensor in a block format: blocks of neighbours along the tensor, taken apart one after the other. */

import { partsOf, tensorAmaxOf, tensorScaleFor } from "./block_codec.js";

/**
 * @param {Float32Array | Float64Array} values
 * @param {number} scale values are multiplied by 2^scale
 * @param {import("./block_codec.js").BlockFormat} block
 * @param {Map<string, import("../shared/codec.js").Format>} formats by name
 * @param {{rounding: string, overflow: string, random: () => number}} how
 * @returns {{rounded: (value: number, at: number) => number, tally: {cut: number, subnormal: number}}} what the element
 *   at a position becomes, to be asked in ascending order; and of the elements so far, how many lay beyond the largest
 *   that their block has, and how many are stored as subnormal
 */
export function inBlocks(values, scale, block, formats, how) {
  const [element, scaleFormat] = [formats.get(block.element), formats.get(block.scale)];
  const scaled = Float64Array.from(values, (value) => value * 2 ** scale);
  const shared = block.has_tensor_scale && tensorScaleFor(tensorAmaxOf(scaled, how.overflow), element, scaleFormat);
  const given = { ...how, ...(block.has_tensor_scale && { tensorScale: shared }) };
  const tally = { cut: 0, subnormal: 0 };
  let [start, end] = [0, 0];
  let elements = [];

  function take(at) {
    start = at - (at % block.block_size);
    end = start + block.block_size;
    ({ elements } = partsOf(Array.from(scaled.subarray(start, end)), { block, element, scale: scaleFormat }, given));
    for (const { scaled: over, element: worth } of elements) {
      const size = Math.abs(worth);
      if (Math.abs(over) > element.max) tally.cut++;
      else if (size > 0 && size < element.smallest_normal) tally.subnormal++;
    }
  }

  return {
    tally,
    rounded(_, at) {
      if (at >= end) take(at);
      return elements[at - start].value;
    },
  };
}
