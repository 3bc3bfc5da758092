/**
 * What a format does to a number, in one plain sentence for a learner: the same as `explorer.formats.sentences` says.
 */

import { decode } from "../shared/codec.js";
import { encode } from "../shared/encode.js";
import { fromNumber } from "../shared/rational.js";

/**
 * @param {import("../shared/rational.js").Exact} exact taken as it is, and rounded to nearest even
 * @param {import("../shared/codec.js").Format} format
 */
export function rangeSentence(exact, format) {
  const name = format.label;
  if (exact.kind === "nan") {
    return `NaN in ${name}: not a number, ${format.has_nan ? "and stays NaN" : "which this format cannot say"}.`;
  }
  if (exact.negative && !format.signed) return `NaN in ${name}: it has no negative numbers.`;
  if (exact.kind === "infinity") {
    return format.has_inf ? `Infinity, and stays it in ${name}.` : `Infinity in ${name}: it ${beyond(format)}.`;
  }
  if (!exact.n) return format.has_zero ? `Zero in ${name}, exactly.` : `NaN in ${name}: it has no zero.`;
  const size = { ...exact, negative: false };
  const code = encode(size, format, "nearest-even", "native");
  if (decode(code, format).kind === "zero") {
    return (
      `Becomes 0 in ${name}: it is not above ${power(format.smallest_subnormal / 2)}, half the smallest ` +
      `subnormal number ${power(format.smallest_subnormal)}.`
    );
  }
  if (above(format.smallest_normal, size)) return belowNormal(format, code);
  if (above(size, format.max)) {
    const near = format.has_nan && code === BigInt(format.max_code_hex);
    return `Beyond ${few(format.max)}, the largest number of ${name}: it ${near ? "rounds down to it" : beyond(format)}.`;
  }
  return (
    `Normal in ${name}: its size lies between ${power(format.smallest_normal)} and ${few(format.max)}, so that it has ` +
    `the full ${bits(format.mantissa_bits + 1)}.${above(1, size) ? whereZeroBegins(format) : ""}`
  );
}

function belowNormal(format, code) {
  const smallest = power(format.smallest_normal);
  if (!format.has_subnormals) return `Below the smallest number of ${format.label}, ${smallest}, which it becomes.`;
  const left = code.toString(2).length;
  if (left > format.mantissa_bits) return `Rounds up to ${smallest} in ${format.label}, the smallest normal number.`;
  return (
    `Subnormal in ${format.label}: it is below the smallest normal number ${smallest}, and ${left} of ` +
    `${bits(format.mantissa_bits + 1)} ${left === 1 ? "is" : "are"} left.${whereZeroBegins(format)}`
  );
}

const whereZeroBegins = (format) =>
  format.has_zero ? ` Only at or below ${power(format.smallest_subnormal / 2)} would it become 0.` : "";

function beyond(format) {
  if (format.has_inf) return "becomes infinity";
  if (format.has_nan) return "becomes NaN, for there is no infinity";
  return `becomes ${few(format.max)}, for there is neither infinity nor NaN`;
}

const bits = (count) => `${count} significant bit${count > 1 ? "s" : ""}`;

/** Whether one is larger than the other; either a double or an exact number, neither negative. */
function above(left, right) {
  const [a, b] = [left, right].map((value) => (typeof value === "number" ? fromNumber(value) : value));
  return a.n * b.d > b.n * a.d;
}

/** At most six digits, as `%g` writes them. */
const few = (value) => String(Number(value.toPrecision(6)));

/** A power of two as a person writes it; half of FP64's smallest subnormal is none in a double. */
function power(value) {
  const exponent = value === 0 ? -1075 : Math.round(Math.log2(value));
  return Math.abs(exponent) > 3 ? `2^${exponent}` : few(2 ** exponent);
}
