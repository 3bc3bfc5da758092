/** Numbers and codes as the Bits page writes them. */

import { short } from "../shared/codec.js";

/** A value in at most seven digits, without the zeros that say nothing. @param {number} value */
export function figure(value) {
  return short(value)
    .replace(/(\.\d*?)0+(?=e|$)/, "$1")
    .replace(/\.(?=e|$)/, "");
}

/** A code in hexadecimal, as wide as its format. @param {bigint} code */
export function hexadecimal(code, format) {
  return `0x${code.toString(16).toUpperCase().padStart(Math.ceil(format.bits / 4), "0")}`;
}

/**
 * A relative error as a signed percentage of three digits; whatever lies beyond 1000 % as a factor.
 * @param {number | null} relative null where the number is 0
 */
export function percent(relative) {
  if (relative === null) return "—";
  if (relative === -1) return "−100 %";
  const size = Math.abs(relative) * 100;
  const digits = size < 0.001 ? size.toExponential(1) : size.toPrecision(size >= 100 ? 4 : 3);
  return `${relative < 0 ? "−" : "+"}${digits.replaceAll("-", "−")} %`;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A power of two as people write it: 2⁻¹⁴. @param {number} exponent */
export function powerOfTwo(exponent) {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]);
  return `2${exponent < 0 ? "⁻" : ""}${digits.join("")}`;
}
