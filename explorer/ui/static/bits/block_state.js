/** What the page's link keeps of a block: a format, its numbers, and how they are looked at. Anything may stand there. */

import { generate } from "./generators.js";

/** As many as the largest block takes. */
export const MOST_NUMBERS = 32;
const USUAL_FORMAT = "mxfp4";
const DIGITS = 3;
/** JSON has no word for these. */
const WORDS = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/**
 * Normal numbers of mean 0 and standard deviation 1, to three digits.
 * @param {number} seed
 * @returns {number[]}
 */
export function normalNumbers(seed) {
  return Array.from(generate("normal", 0, 0, seed).subarray(0, MOST_NUMBERS), shortened);
}

/** A number as it goes into the link. @param {number} x */
export function shortened(x) {
  return Number(x.toPrecision(DIGITS));
}

let usual = null;

/** The numbers that the page opens with. */
export function usualNumbers() {
  return (usual ??= normalNumbers(1));
}

/**
 * @param {any} block what the link says
 * @param {import("./block_codec.js").BlockFormat[]} formats
 * @returns {{format: import("./block_codec.js").BlockFormat, numbers: number[], elsewhere: number, log: boolean}}
 *   `numbers` are as many as the largest block takes; `elsewhere` is the largest magnitude in the rest of the tensor
 */
export function readBlock(block, formats) {
  const find = (name) => formats.find((format) => format.name === name);
  const values = Array.isArray(block?.values) ? block.values.map(number) : [];
  return {
    format: find(block?.format) ?? find(USUAL_FORMAT) ?? formats[0],
    numbers: usualNumbers().map((each, at) => values[at] ?? each),
    elsewhere: Number.isFinite(block?.elsewhere) ? Math.max(block.elsewhere, 0) : 0,
    log: block?.linear !== true,
  };
}

const number = (value) => (typeof value === "number" ? value : Object.hasOwn(WORDS, value) ? WORDS[value] : undefined);

/** The numbers as JSON can say them. @param {number[]} numbers */
export function plainNumbers(numbers) {
  const word = (x) => (Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf");
  return numbers.map((x) => (Number.isFinite(x) ? x : word(x)));
}
