/**
 * Where a format's windows end under a rounding: from which magnitude on a number no longer becomes zero, becomes a
 * normal number, overflows. Rounding keeps order, so three thresholds tell every number's fate without rounding it.
 *
 * @typedef {object} Boundary the chance of lying beyond: 0 up to `from`, 1 from `to` on, linear between them.
 *   `from` and `to` differ only under stochastic rounding, whose chance is the share of the way to the next value.
 * @property {number} from
 * @property {number} to
 *
 * @typedef {{nonzero: Boundary, normal: Boundary, over: Boundary}} Boundaries
 */

import { quantizeNumber } from "../shared/quantize.js";

const double = new Float64Array(1);
const code = new BigInt64Array(double.buffer);

/** The smallest positive double for which something holds that, once true, stays true; infinity where none does. */
function least(holds) {
  let [low, high] = [1n, 0x7ff0000000000000n];
  while (low < high) {
    const middle = (low + high) >> 1n;
    code[0] = middle;
    if (holds(double[0])) high = middle;
    else low = middle + 1n;
  }
  code[0] = low;
  return double[0];
}

/**
 * The boundaries for positive and for negative numbers, as magnitudes; none for the negative where there is no sign.
 * @param {object} format
 * @param {string} rounding
 * @returns {{positive: Boundaries, negative: Boundaries | null}}
 */
export function boundaries(format, rounding) {
  const of = rounding === "stochastic" ? () => chances(format) : (sign) => thresholds(format, rounding, sign);
  return { positive: of(1), negative: format.signed ? of(-1) : null };
}

function thresholds(format, rounding, sign) {
  // Saturated, so that the results are ordered to the end.
  const rounded = (magnitude) => Math.abs(quantizeNumber(sign * magnitude, format, rounding, "saturate"));
  const at = (magnitude) => ({ from: magnitude, to: magnitude });
  return {
    nonzero: at(least((magnitude) => rounded(magnitude) > 0)),
    normal: at(least((magnitude) => rounded(magnitude) >= format.smallest_normal)),
    // Overflow is what would round beyond the largest value if the exponent had no limit (IEEE 754-2019, clause 7.4).
    // Half of the number has the same digits and an exponent that the format has.
    over: at(least((magnitude) => 2 * rounded(magnitude / 2) > format.max)),
  };
}

function chances(format) {
  const { max, smallest_normal: normal, smallest_subnormal: step } = format;
  const ulp = format.epsilon * 2 ** Math.floor(Math.log2(max));
  const always = { from: 0, to: 0 };
  return {
    nonzero: step === null ? always : { from: 0, to: step },
    normal: step === null ? always : { from: normal - step, to: normal },
    over: { from: max, to: max + ulp },
  };
}
