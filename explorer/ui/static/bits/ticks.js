/**
 * What a row of the number line shows of a format: a line for each representable value where they are far enough apart
 * to be told from each other, and how many of them there are in a pixel where they are not. Pure functions.
 */

import { leastExponentField } from "../shared/codec.js";
import { ordinal } from "../shared/quantize.js";
import { fraction, valueAt } from "./axis.js";

/** Pixels from one value to the next from which on each has a line of its own. */
const APART = 4;
/** In a logarithmic view the spacing runs over a factor of two in each binade; this one is its geometric mean. */
const APART_AT_TOP = APART / Math.SQRT2;
/** Steps of shade for a doubling of the density. */
export const LEVELS_PER_OCTAVE = 2;

const float64 = new Float64Array(1);
const words = new Uint32Array(float64.buffer);
/** Which half of a double holds its exponent is the machine's choice. */
const HIGH = new Uint32Array(new Float64Array([1]).buffer)[1] ? 1 : 0;

/** floor(log2(x)) of a positive double; that of the least normal double for its subnormals. */
function exponentOf(x) {
  float64[0] = x;
  return Math.max(((words[HIGH] >>> 20) & 0x7ff) - 1023, -1022);
}

/** Exponent of the binade whose spacing the format never goes below. */
const leastExponent = (format) => leastExponentField(format) - format.bias;

/** Distance between the representable values about a magnitude. */
export function spacing(magnitude, format) {
  return 2 ** (Math.max(exponentOf(magnitude), leastExponent(format)) - format.mantissa_bits);
}

/**
 * The format's magnitudes from one number to another, ascending, as doubles: binade by binade, whole multiples of that
 * binade's spacing. Dividing by a power of two rounds nothing.
 * @returns {number[]}
 */
export function magnitudesBetween(from, to, format) {
  const least = leastExponent(format);
  const found = [];
  const end = Math.min(to, format.max);
  let start = Math.max(from, format.has_zero ? 0 : format.smallest_normal);
  while (start <= end) {
    const exponent = Math.max(exponentOf(start), least);
    const unit = 2 ** (exponent - format.mantissa_bits);
    const next = 2 ** (exponent + 1);
    const last = Math.min(Math.floor(end / unit), 2 ** (format.mantissa_bits + 1) - 1);
    for (let k = Math.ceil(start / unit); k <= last; k++) found.push(k * unit);
    start = next;
  }
  return found;
}

/** How many values lie between two magnitudes, broken numbers too: a stretch shorter than the spacing holds a part. */
function countBetween(from, to, format) {
  const [first, last] = [spacing(from, format), spacing(to, format)];
  if (first === last) return (to - from) / first;
  // In two neighbouring binades: the places of FP64 values go beyond 2^53, and their differences are off.
  if (last === 2 * first) {
    const edge = last * 2 ** format.mantissa_bits;
    return (edge - from) / first + (to - edge) / last;
  }
  return ordinal(to, format) - ordinal(from, format);
}

/**
 * The magnitudes that are too dense for lines of their own, as one stretch; null where there are none.
 * @returns {[number, number] | null}
 */
function denseStretch(view, width, format) {
  const least = leastExponent(format);
  const mantissa = format.mantissa_bits;
  if (view.kind === "linear") {
    // Spacing doubles from binade to binade, so that what is dense lies about zero.
    const exponent = Math.ceil(Math.log2(view.high - view.low) + Math.log2(APART / width)) + mantissa;
    if (exponent <= least) return null;
    return [format.has_zero ? 0 : format.smallest_normal, Math.min(2 ** exponent, format.max)];
  }
  const octave = width / (view.high - view.low);
  const ratio = 2 ** (mantissa + 1);
  if (Math.log2(ratio / (ratio - 1)) * octave >= APART_AT_TOP) return null;
  // The subnormals k and k + 1 are log2((k + 1) / k) octaves apart.
  const sparse = format.has_subnormals ? Math.min(Math.floor(1 / (2 ** (APART / octave) - 1)), 2 ** mantissa) : 0;
  const from = format.has_subnormals ? 2 ** (least - mantissa) * Math.max(sparse, 1) : format.smallest_normal;
  return [from, format.max];
}

/**
 * @typedef {object} Row
 * @property {number[]} ticks values that have a line of their own, ascending by magnitude
 * @property {{from: number, to: number, level: number}[]} shades stretches of pixels and how dense they are
 */

/**
 * What a row shows.
 * @param {import("./axis.js").View} view
 * @param {number} width pixels
 * @param {import("../shared/codec.js").Format} format
 * @returns {Row}
 */
export function rowOf(view, width, format) {
  const dense = denseStretch(view, width, format);
  const ticks = [];
  const shades = [];
  for (const [sign, from, to] of sides(view, format)) {
    if (!dense) {
      pushTicks(ticks, sign, from, to, format);
      continue;
    }
    const [start, end] = dense;
    if (from < start) pushTicks(ticks, sign, from, Math.min(to, start), format);
    if (to > end) pushTicks(ticks, sign, Math.max(from, end), to, format);
    const [low, high] = [Math.max(from, start), Math.min(to, end)];
    if (low < high) pushShades(shades, view, width, sign * low, sign * high, format);
  }
  return { ticks, shades };
}

/** The magnitudes in view, on each side of zero that the format has. */
function sides(view, format) {
  const found = [];
  const [low, high] = view.kind === "linear" ? [view.low, view.high] : [valueAt(view, 0), valueAt(view, 1)];
  if (low < 0 && format.signed) found.push([-1, Math.max(-high, 0), -low]);
  if (high >= 0) found.push([1, Math.max(low, 0), high]);
  return found;
}

function pushTicks(ticks, sign, from, to, format) {
  for (const magnitude of magnitudesBetween(from, to, format)) {
    // Zero belongs to both sides and is one value.
    if (magnitude || sign > 0) ticks.push(sign * magnitude);
  }
}

function pushShades(shades, view, width, from, to, format) {
  const edges = [fraction(view, from) * width, fraction(view, to) * width].sort((a, b) => a - b);
  const [start, end] = [Math.max(edges[0], 0), Math.min(edges[1], width)];
  const [least, most] = [Math.min(Math.abs(from), Math.abs(to)), Math.max(Math.abs(from), Math.abs(to))];
  const within = (pixel) => Math.min(Math.max(Math.abs(valueAt(view, pixel / width)), least), most);
  let left = start;
  let before = within(left);
  let open = null;
  while (left < end) {
    const right = Math.min(Math.floor(left) + 1, end);
    const here = within(right);
    const count = countBetween(Math.min(before, here), Math.max(before, here), format) / (right - left);
    const level = Math.max(Math.round(Math.log2(count) * LEVELS_PER_OCTAVE), -2 * LEVELS_PER_OCTAVE);
    if (open?.level === level) open.to = right;
    else shades.push((open = { from: left, to: right, level }));
    [left, before] = [right, here];
  }
}
