/** What happened to a block, in words and a few counts. Pure functions. */

import { powerOfTwo } from "./words.js";

/** A number of few digits for a sentence, or written out where that is short. @param {number} x */
export function inWords(x, digits = 4) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const whole = String(x);
  const few = Number(x.toPrecision(digits));
  const rounded = few !== 0 && Math.abs(few) < 1e-4 ? few.toExponential() : String(few);
  return (whole.length <= digits + 2 ? whole : rounded).replaceAll("-", "−");
}

/** The scale by itself: a power of two as that. */
export function scaleWords(parts, scaleFormat) {
  const power = Math.log2(parts.scale);
  return scaleFormat.mantissa_bits === 0 && Number.isInteger(power) ? powerOfTwo(power) : inWords(parts.scale);
}

/**
 * What became of an element: `crushed` numbers became zero, `cut` ones lie beyond the largest that the block has.
 * @param {import("./block_codec.js").BlockElement} one
 * @param {import("../shared/codec.js").Format} element
 * @returns {"nan" | "crushed" | "cut" | "kept"}
 */
export function fateOf({ given, scaled, value }, element) {
  if (Number.isNaN(value)) return "nan";
  if (given !== 0 && value === 0) return "crushed";
  return Math.abs(scaled) > element.max ? "cut" : "kept";
}

/** The root of the mean square of the errors; NaN where a number or its value is not finite. */
export function rootMeanSquare({ elements }) {
  return Math.sqrt(elements.reduce((sum, { given, value }) => sum + (value - given) ** 2, 0) / elements.length);
}

/**
 * @param {import("./block_codec.js").BlockParts} parts
 * @param {{element: object, scale: object}} formats
 */
export function story(parts, { element, scale }) {
  const { elements, amax } = parts;
  const count = elements.length;
  if (Number.isNaN(parts.scale)) {
    const why = elements.some(({ given }) => Number.isNaN(given)) ? "A NaN" : "An infinity";
    return `${why} among them makes the scale NaN, and with it all ${count} numbers.`;
  }
  if (amax === 0) return `All ${count} numbers are 0; the scale, ${scaleWords(parts, scale)}, is of no account.`;
  const fates = elements.map((each) => fateOf(each, element));
  const crushed = fates.filter((fate) => fate === "crushed").length;
  const cut = fates.filter((fate) => fate === "cut").length;
  const zeros = elements.filter(({ given }) => given === 0).length;
  const became = crushed ? `${crushed} of ${count} numbers became 0` : "No number became 0";
  const were = zeros ? ` (${zeros} ${zeros === 1 ? "was" : "were"} 0 before)` : "";
  if (parts.scale === 0) {
    return `${became}${were}: the largest, ${inWords(amax)}, is so much less than the rest of the tensor that the scale became 0 itself.`;
  }
  const largest = inWords(Math.max(...elements.map(({ given }) => Math.abs(given))));
  const step = inWords(parts.step * element.smallest_subnormal);
  const sets = `${became}${were}: the largest, ${largest}, sets the scale ${scaleWords(parts, scale)}, and the smallest step is then ${step}.`;
  if (!cut) return sets;
  const stop = inWords(parts.step * element.max);
  return `${sets} ${cut === 1 ? "One lies" : `${cut} lie`} beyond ${stop}, the largest that this scale can say, and ${cut === 1 ? "stops" : "stop"} there.`;
}
