/** Where a number and what the formats make of it lie on the number line, with the words for them. Pure functions. */

import { decode, short } from "../shared/codec.js";
import { neighbours } from "../shared/encode.js";
import { fromNumber, toNumber } from "../shared/rational.js";
import { fraction, shortText } from "./axis.js";
import { codeIn } from "./conversion.js";
import { rowOf } from "./ticks.js";

/** Values of up to so many characters are written out, others as far as they differ from their neighbours. */
const LONGEST_WHOLE = 8;
const MOST_DIGITS = 17;

/**
 * Where an exact number lies in a view: 0 at its left edge, 1 at its right one. Zoomed in on FP64, a number between two
 * doubles has a place of its own, so that the difference to the edge is taken before anything is rounded.
 * @param {import("./axis.js").View} view
 * @param {import("../shared/rational.js").Exact} exact
 */
export function exactFraction(view, exact) {
  if (exact.kind !== "finite" || view.kind === "log") return fraction(view, toNumber(exact));
  const low = fromNumber(view.low);
  const n = signed(exact) * low.d - signed(low) * exact.d;
  const offset = toNumber({ kind: "finite", negative: n < 0n, n: n < 0n ? -n : n, d: exact.d * low.d });
  return offset / (view.high - view.low);
}

const signed = ({ negative, n }) => (negative ? -n : n);

/**
 * What a format makes of the state's number: the value it rounds to, and those next to it.
 * @typedef {{value: number, below: number | null, above: number | null}} Mark
 * @returns {Mark | null} null where the format cannot say it
 */
export function markOf(state, format) {
  const code = codeIn(state, format);
  if (code === null) return null;
  const worth = (each) => (each === null ? null : decode(each, format).value);
  const { below, above } = neighbours(code, format);
  return { value: worth(code), below: worth(below), above: worth(above) };
}

/** A mark's three values as text, with the digits that tell them apart. @param {Mark} mark */
export function markTexts({ value, below, above }) {
  const gaps = [below, above].filter((each) => Number.isFinite(each)).map((each) => Math.abs(each - value));
  const gap = Math.min(...gaps.filter((each) => each > 0 && each < Infinity));
  return { value: valueText(value, gap), below: valueText(below, gap), above: valueText(above, gap) };
}

function valueText(value, gap) {
  if (value === null) return "";
  if (!Number.isFinite(value) || value === 0 || !Number.isFinite(gap)) return short(value);
  // A double's shortest text is not its value: FP64 has no 0.1. Seventeen digits are enough to see that.
  const precise = value.toPrecision(MOST_DIGITS).replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "").replace("e+", "e");
  const fine = Math.log10(Math.abs(value) / gap) > MOST_DIGITS - 2;
  const text = fine || precise.length <= LONGEST_WHOLE ? precise : shortText(value, gap / 10);
  return text.replaceAll("-", "−");
}

/**
 * What the parts of a row that hold no value say: what numbers beyond the largest become, and numbers near zero.
 * @param {import("../shared/codec.js").Format} format
 * @param {string} overflow
 */
export function beyondText(format, overflow) {
  if (overflow === "native" && format.has_inf) return "∞";
  if (overflow === "native" && format.has_nan) return "NaN";
  return "max";
}

/**
 * Rows of a view, made once for each view, width and list of formats: dragging the value leaves them as they are.
 */
export function rowKeeper() {
  let key = "";
  let rows = [];
  return (view, width, formats) => {
    const next = `${view.kind} ${view.low} ${view.high} ${view.negative} ${width} ${formats.map(({ name }) => name)}`;
    if (next !== key) rows = formats.map((format) => rowOf(view, width, format));
    key = next;
    return rows;
  };
}
