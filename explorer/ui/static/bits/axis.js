/**
 * The number line's axis: which part of the real numbers is in view, and where a number lies in it. Pure functions.
 *
 * A linear view runs from `low` to `high`. A logarithmic one shows the magnitudes of one sign, and its `low` and `high`
 * are powers of two: it runs from 2^low to 2^high, or, for negative numbers, from -2^high to -2^low, so that numbers
 * grow to the right on either side.
 *
 * @typedef {{kind: "linear" | "log", low: number, high: number, negative: boolean}} View
 */

/** Farthest bounds. Twice the linear one is still a double; the other two are beyond every FP64 value. */
const FARTHEST = 8e307;
const LOWEST_POWER = -1080;
const HIGHEST_POWER = 1030;
/** Zoomed in closer, doubles could no longer tell one pixel from the next. */
const LEAST_OCTAVES = 1e-7;
const LEAST_ULPS = 16;
/** Over fewer octaves than this, round numbers say more than powers of two. */
const FEW_OCTAVES = 4;
/** Digits of a bound beyond those that tell its view's span. */
const SPARE_DIGITS = 4;

/** Where a number lies: 0 at the left edge of the view, 1 at the right one. */
export function fraction(view, x) {
  const at = view.kind === "log" ? Math.log2(Math.abs(x)) : x;
  const along = (at - view.low) / (view.high - view.low);
  return mirrored(view) ? 1 - along : along;
}

/** The number at a fraction of the view. */
export function valueAt(view, along) {
  const span = view.high - view.low;
  if (view.kind === "linear") return view.low + along * span;
  const magnitude = 2 ** (view.low + (mirrored(view) ? 1 - along : along) * span);
  return view.negative ? -magnitude : magnitude;
}

/** How much a number changes over one of `width` pixels. */
export function perPixel(view, width, x) {
  const span = view.high - view.low;
  return view.kind === "linear" ? span / width : (Math.abs(x) * Math.LN2 * span) / width;
}

const mirrored = (view) => view.kind === "log" && view.negative;

/** The view with what lies at a fraction of it left in place, and the rest nearer (`factor` < 1) or farther. */
export function zoomed(view, factor, along) {
  const span = view.high - view.low;
  const fixed = view.low + (mirrored(view) ? 1 - along : along) * span;
  return bounded({ ...view, low: fixed - (fixed - view.low) * factor, high: fixed + (view.high - fixed) * factor });
}

/** The view moved to the right by a fraction of itself. */
export function panned(view, by) {
  const step = (view.high - view.low) * (mirrored(view) ? -by : by);
  return bounded({ ...view, low: view.low + step, high: view.high + step });
}

/** The view within what can be shown: neither closer nor farther. */
function bounded(view) {
  const log = view.kind === "log";
  const [lowest, highest] = log ? [LOWEST_POWER, HIGHEST_POWER] : [-FARTHEST, FARTHEST];
  const centre = Math.min(Math.max(view.low / 2 + view.high / 2, lowest), highest);
  const least = log ? LEAST_OCTAVES : Math.max(Math.abs(centre) * 2 ** -52, Number.MIN_VALUE) * LEAST_ULPS;
  const half = Math.max((view.high - view.low) / 2, least / 2);
  return rounded({ ...view, low: Math.max(centre - half, lowest), high: Math.min(centre + half, highest) });
}

/** The view with bounds of few digits, for they go into the page's link. */
function rounded(view) {
  const farthest = Math.max(Math.abs(view.low), Math.abs(view.high));
  const digits = Math.ceil(Math.log10(farthest / (view.high - view.low))) + SPARE_DIGITS;
  const short = (x) => Number(x.toPrecision(Math.min(Math.max(digits, SPARE_DIGITS), 17)));
  return { ...view, low: short(view.low), high: short(view.high) };
}

/** The view that shows a number well by itself: zero and twice the number, or some powers of two on either side. */
export function around(kind, x) {
  const size = Math.abs(x);
  const negative = x < 0;
  const ordinary = size > 0 && Number.isFinite(size);
  if (kind === "log") {
    const power = ordinary ? Math.round(Math.log2(size)) : 0;
    return bounded({ kind, low: power - 16, high: power + 16, negative });
  }
  // For what is no number to be in the middle of: the small whole numbers.
  const unit = ordinary ? size : 1;
  const [low, high] = ordinary ? [-0.25 * unit, 2.25 * unit] : [-4, 4];
  return bounded(negative && ordinary ? { kind, low: -high, high: -low, negative } : { kind, low, high, negative });
}

/**
 * The view that the page's link asks for, around a number where it asks for none.
 * @param {any} line what the link says: anything at all
 * @param {number} x
 * @returns {View}
 */
export function viewOf(line, x) {
  const kind = line?.kind === "log" ? "log" : "linear";
  const { low, high } = line ?? {};
  if (!Number.isFinite(low) || !Number.isFinite(high) || !(low < high)) return around(kind, x);
  return bounded({ kind, low, high, negative: x < 0 });
}

/** What the link has to say of a view. */
export const plain = ({ kind, low, high }) => ({ kind, low, high });

/**
 * Where the axis is marked: round numbers in view, about `most` of them. A logarithmic view of many octaves is marked by
 * whole powers of two, a close one by round numbers as well, for it is nearly linear.
 * @param {View} view
 * @param {number} most
 * @returns {{at: number, power: number | null, step: number}[]} `power` is the exponent of a power of two
 */
export function axisMarks(view, most) {
  if (view.kind === "log" && view.high - view.low >= FEW_OCTAVES) {
    const step = Math.max(1, roundStep((view.high - view.low) / most));
    const sign = view.negative ? -1 : 1;
    return multiples(view.low, view.high, step).map((power) => ({ at: sign * 2 ** power, power, step }));
  }
  const [low, high] = [valueAt(view, 0), valueAt(view, 1)];
  const step = roundStep((high - low) / most);
  return multiples(low, high, step).map((at) => ({ at, power: null, step }));
}

function multiples(low, high, step) {
  const found = [];
  const first = Math.ceil(low / step);
  // Where the step is below 1, a quotient has no error of its own: 3 / 10 is 0.3, and 3 * 0.1 is not.
  const inverse = Math.round(1 / step);
  const divide = step < 1 && Number.isSafeInteger(inverse);
  for (let i = 0; (first + i) * step <= high; i++) found.push(divide ? (first + i) / inverse : (first + i) * step);
  return found;
}

/** The least of 1, 2, 5, 10 … times a power of ten that is not below a number. */
function roundStep(least) {
  const exponent = Math.floor(Math.log10(least));
  // From text: powers of ten made by arithmetic are off in the last digit.
  const candidates = ["1", "2", "5", "10"].map((factor) => Number(`${factor}e${exponent}`));
  return candidates.find((each) => each >= least * (1 - 1e-12)) ?? Number(`2e${exponent + 1}`);
}

/**
 * A number in as many digits as a step tells apart: what a person would say of a point on the line.
 * @param {number} x
 * @param {number} step
 */
export function shortText(x, step) {
  const exponent = Math.floor(Math.log10(step));
  const size = Math.abs(x);
  if (size < step / 2) return "0";
  const digits = Math.min(Math.max(Math.floor(Math.log10(size)) - exponent + 1, 1), 17);
  // Through a number: toPrecision writes 1e+2, and zeros at the end, that nobody would type.
  return String(Number(x.toPrecision(digits))).replace("e+", "e");
}
