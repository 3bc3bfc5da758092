/** Rounding in plain doubles, without a bigint or an object: for arrays of a million, and for densities. */

import { noNan } from "./bad-input.js";
import { beyondLargest, roundsAway } from "./rounding.js";

/** @typedef {import("./codec.js").Format} Format */

// One double and its two halves, to read its exponent without making anything; and the power of two for each exponent
// field, where writing one back into the halves would cost the processor as much as all the rest.
const scratch = new Float64Array(1);
const halves = new Uint32Array(scratch.buffer);
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0;
const POWERS = Float64Array.from({ length: 2047 }, (_, field) => (field === 0 ? 0 : 2 ** (field - 1023)));

/**
 * The value that a format has for a number: `decode(encode(fromNumber(x), …)).value`, the same to the last bit.
 * @param {number} x
 * @param {Format} format
 * @param {import("./rounding.js").Rounding} rounding
 * @param {import("./rounding.js").Overflow} overflow
 * @param {() => number} [random] as for `encode`
 * @returns {number}
 * @throws {import("./bad-input.js").BadInput} NaN, and the format has none
 */
export function quantizeNumber(x, format, rounding, overflow, random = Math.random) {
  const draw = rounding === "stochastic" ? random() : 0;
  const magnitude = Math.abs(x);
  if (magnitude !== magnitude) return nan(format);
  const negative = x < 0 || (x === 0 && 1 / x < 0);
  if ((negative && !format.signed) || (magnitude === 0 && !format.has_zero)) return nan(format);
  if (magnitude === Infinity) return overflowed(format, negative, "nearest-even", overflow);
  // All of this is exact: the unit is a power of two, and a double has at most 53 digits above and below the point.
  const unit = Math.max(POWERS[exponentField(magnitude)], format.smallest_normal) * format.epsilon;
  const units = magnitude / unit;
  const whole = Math.floor(units);
  const rest = units - whole;
  const away =
    rounding === "stochastic"
      ? draw < rest
      : roundsAway(rounding, rest > 0, rest - 0.5, (whole & 1) === 1, negative);
  let rounded = (away ? whole + 1 : whole) * unit;
  if (rounded > format.max) return overflowed(format, negative, rounding, overflow);
  if (rounded === 0 && !format.has_zero) rounded = format.smallest_normal;
  return negative && (rounded !== 0 || format.has_negative_zero) ? -rounded : rounded;
}

/** Exponent field of a finite magnitude as a double (IEEE 754-2019, table 3.5). */
function exponentField(magnitude) {
  scratch[0] = magnitude;
  return halves[HIGH] >>> 20;
}

function nan(format) {
  if (!format.has_nan) throw noNan(format);
  return NaN;
}

function overflowed(format, negative, rounding, overflow) {
  const becomes = beyondLargest(format, negative, rounding, overflow);
  if (becomes === "nan") return NaN;
  const size = becomes === "infinity" ? Infinity : format.max;
  return negative ? -size : size;
}

/**
 * How many of a format's finite values are ≤ x, less how many are ≤ 0: the place of the largest value that is not
 * above x, counted from zero. Never falls as x grows, and differs by 1 from a value to the next (of a format with codes
 * beyond 2^53, by as much as a double can tell).
 * @param {number} x
 * @param {Format} format
 * @returns {number}
 */
export function ordinal(x, format) {
  if (x !== x) return NaN;
  if (x < 0) return format.signed ? -rank(-x, format, Math.ceil) : 0;
  return rank(x, format, Math.floor);
}

/** How many positive values are at or below a magnitude, or with `Math.ceil` below it and one more where it is none. */
function rank(magnitude, format, round) {
  if (magnitude === 0) return 0;
  const top = format.max_code + (format.has_zero ? 0 : 1);
  if (magnitude >= format.max) return round === Math.ceil && magnitude > format.max ? top + 1 : top;
  const power = Math.max(POWERS[exponentField(magnitude)], format.smallest_normal);
  const whole = round(magnitude / (power * format.epsilon));
  const codesBelow = (exponentField(power) - 1023 + format.bias - 1) * 2 ** format.mantissa_bits;
  return codesBelow + whole + (format.has_zero ? 0 : 1);
}
