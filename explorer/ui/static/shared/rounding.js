/** The rules of rounding and overflow that one exact number and a hot loop of doubles share. */

/**
 * The rounding directions of IEEE 754-2019, clause 4.3, and stochastic rounding; and what becomes of a number beyond
 * the largest: what the format's standard conversion does, or the largest value.
 * @typedef {"nearest-even" | "nearest-away" | "toward-zero" | "toward-positive" | "toward-negative"
 *   | "stochastic"} Rounding
 * @typedef {"native" | "saturate"} Overflow
 */

/**
 * Whether a magnitude goes up to the next code rather than down, for every rounding but stochastic.
 * @param {Rounding} rounding
 * @param {boolean} inexact whether truncation drops anything
 * @param {number} overHalf below zero, zero or above it, as what is dropped is less than half a unit, half, or more
 * @param {boolean} odd whether the last digit of the truncated significand is odd
 * @param {boolean} negative
 * @returns {boolean}
 */
export function roundsAway(rounding, inexact, overHalf, odd, negative) {
  switch (rounding) {
    case "nearest-even":
      return overHalf > 0 || (overHalf === 0 && odd);
    case "nearest-away":
      return overHalf >= 0;
    case "toward-zero":
      return false;
    case "toward-positive":
      return inexact && !negative;
    case "toward-negative":
      return inexact && negative;
    default:
      throw new Error(`${rounding} is not decided by the remainder alone`);
  }
}

/**
 * What stands for a number beyond the largest (IEEE 754-2019, clause 7.4): a rounding that points back at zero stops at
 * the largest value; the others go on to infinity, or to what the format has in its place. Infinity itself is exact, so
 * it takes what "nearest-even" gives, whatever the rounding.
 * @param {import("./codec.js").Format} format
 * @param {boolean} negative
 * @param {Rounding} rounding
 * @param {Overflow} overflow
 * @returns {"infinity" | "nan" | "largest"}
 */
export function beyondLargest(format, negative, rounding, overflow) {
  const backAtZero = rounding === "toward-zero" || rounding === (negative ? "toward-positive" : "toward-negative");
  if (overflow === "saturate" || backAtZero) return "largest";
  if (format.has_inf) return "infinity";
  return format.has_nan ? "nan" : "largest";
}
