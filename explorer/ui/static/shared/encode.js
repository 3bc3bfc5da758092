/** From one exact number to the code nearest to it, rounding once; and what lies next to a code. */

import { noNan } from "./bad-input.js";
import { decode, leastExponentField, unitExponent } from "./codec.js";
import { floorLog2, inUnits } from "./rational.js";
import { beyondLargest, roundsAway } from "./rounding.js";

export { ordinal, quantizeNumber } from "./quantize.js";

/** @typedef {import("./codec.js").Format} Format */

/**
 * Round a number to a format, from its exact value.
 * @param {import("./rational.js").Exact} exact
 * @param {Format} format
 * @param {import("./rounding.js").Rounding} rounding
 * @param {import("./rounding.js").Overflow} overflow
 * @param {() => number} [random] for stochastic rounding, which takes one draw a call: a double in [0, 1), a multiple
 *   of 2^-53. The magnitude goes up where the draw is below what truncation drops, as a share of a unit.
 * @returns {bigint}
 * @throws {import("./bad-input.js").BadInput} NaN, and the format has none
 */
export function encode(exact, format, rounding, overflow, random = Math.random) {
  // Drawn for exact and special values too: the nth number takes the nth draw, whatever precedes it.
  const draw = rounding === "stochastic" ? random() : 0;
  if (exact.kind === "nan") return nanCode(format);
  const isZero = exact.kind === "finite" && exact.n === 0n;
  // OCP MX 1.0, section 5.4.1: E8M0 has no sign and no zero.
  if ((exact.negative && !format.signed) || (isZero && !format.has_zero)) return nanCode(format);
  if (exact.kind === "infinity") return overflowCode(format, exact.negative, "nearest-even", overflow);
  const magnitude = isZero ? 0n : roundedMagnitude(exact, format, rounding, draw);
  if (magnitude > BigInt(format.max_code_hex)) return overflowCode(format, exact.negative, rounding, overflow);
  return withSign(format, magnitude, exact.negative);
}

/** Code without sign, as if the exponent field had no upper limit. */
function roundedMagnitude({ n, d, negative }, format, rounding, draw) {
  const exponentField = Math.max(floorLog2(n, d) + format.bias, leastExponentField(format));
  const { whole, remainder, divisor } = inUnits(n, d, unitExponent(exponentField, format));
  const away =
    rounding === "stochastic"
      ? BigInt(draw * 2 ** 53) * divisor < remainder << 53n
      : roundsAway(rounding, remainder > 0n, compare(2n * remainder, divisor), (whole & 1n) === 1n, negative);
  // The implicit bit of a normal number adds the one that is missing in (exponentField - 1), a subnormal has none to
  // add, and a significand that rounding carried to the next power of two adds two: all three land where they belong.
  const magnitude = (BigInt(exponentField - 1) << BigInt(format.mantissa_bits)) + whole + (away ? 1n : 0n);
  return magnitude < 0n ? 0n : magnitude; // below the least value of a format without zero nothing is to round down to
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

function nanCode(format) {
  if (!format.has_nan) throw noNan(format);
  return BigInt(format.nan_code_hex);
}

function overflowCode(format, negative, rounding, overflow) {
  const becomes = beyondLargest(format, negative, rounding, overflow);
  if (becomes === "nan") return nanCode(format);
  return withSign(format, BigInt(format.max_code_hex) + (becomes === "infinity" ? 1n : 0n), negative);
}

/** Set the sign bit of a code that is not NaN; a format without −0 has one zero. */
function withSign(format, magnitude, negative) {
  return negative && (magnitude || format.has_negative_zero) ? magnitude | signMask(format) : magnitude;
}

function signMask(format) {
  return format.signed ? 1n << BigInt(format.bits - 1) : 0n;
}

/**
 * Codes of the next smaller and the next larger value (nextDown, nextUp: IEEE 754-2019, clause 5.3.1).
 * −0 and +0 are one point. The zero above the negative subnormals is −0 where the format has it, as in nextUp. null
 * where there is nothing beyond: below the least value, above the greatest, and for NaN on both sides.
 * @param {bigint | number} code
 * @param {Format} format
 * @returns {{below: bigint | null, above: bigint | null}}
 */
export function neighbours(code, format) {
  if (decode(code, format).kind === "nan") return { below: null, above: null };
  // Sign and magnitude: codes without their sign bit are in the order of their values, so that they can be counted.
  const mask = signMask(format);
  const whole = BigInt(code);
  const negative = (whole & mask) !== 0n;
  const rank = negative ? -(whole ^ mask) : whole;
  const highest = BigInt(format.max_code_hex) + (format.has_inf ? 1n : 0n);
  const lowest = format.signed ? -highest : 0n;
  return {
    below: rank > lowest ? atRank(format, rank - 1n, true) : null,
    above: rank < highest ? atRank(format, rank + 1n, false) : null,
  };
}

/** The code so many steps from zero. Zero keeps the sign of the side that it is reached from. */
function atRank(format, rank, falling) {
  const negative = rank < 0n || (rank === 0n && !falling);
  return withSign(format, rank < 0n ? -rank : rank, negative);
}

/**
 * What the last mantissa bit of a code is worth; null where it is infinity or NaN.
 * @param {bigint | number} code
 * @param {Format} format
 * @returns {number | null}
 */
export function ulp(code, format) {
  const { exponentField, value } = decode(code, format);
  return Number.isFinite(value) ? 2 ** unitExponent(exponentField, format) : null;
}
