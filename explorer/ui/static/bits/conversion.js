/** A number in one format, and the way from there to its neighbours: pure functions that the sections share. */

import { decode } from "../shared/codec.js";
import { encode, neighbours } from "../shared/encode.js";
import { BadInput, fromNumber, timesPowerOfTwo, toNumber } from "../shared/rational.js";
import { random } from "./state.js";

/**
 * The code of the state's number in a format, or null where the format cannot say it (NaN without a NaN).
 * @param {import("./state.js").State} state
 * @param {import("../shared/codec.js").Format} format
 * @returns {bigint | null}
 */
export function codeIn(state, format) {
  if (state.code?.format === format.name) return state.code.code;
  return encoded(state.exact, state, format);
}

/**
 * The code of any number in a format, rounded as the state says.
 * @param {import("../shared/rational.js").Exact} exact
 * @returns {bigint | null}
 */
export function encoded(exact, { rounding, overflow, seed }, format) {
  try {
    return encode(exact, format, rounding, overflow, random(seed));
  } catch (error) {
    if (error instanceof BadInput) return null;
    throw error;
  }
}

/**
 * The code one ulp, or one exponent, from where the number is in a format; null where there is none.
 * @param {1 | -1} direction
 * @param {boolean} byExponent twice or half the value instead of the next one
 */
export function moved(state, format, direction, byExponent) {
  const code = codeIn(state, format);
  if (code === null) return null;
  const { kind, value } = decode(code, format);
  if (byExponent && kind !== "zero" && Number.isFinite(value)) {
    const power = direction * Math.sign(value);
    return encode(timesPowerOfTwo(fromNumber(value), power), format, "nearest-even", "saturate");
  }
  const { below, above } = neighbours(code, format);
  return direction > 0 ? above : below;
}

/**
 * How far a rounded value is from the number.
 * @param {import("../shared/rational.js").Exact} exact
 * @param {number} value
 * @returns {{absolute: number, relative: number | null} | null} null where either is not finite; `relative` null for 0
 */
export function errors(exact, value) {
  const rounded = fromNumber(value);
  if (exact.kind !== "finite" || rounded.kind !== "finite") return null;
  const [a, b] = [signed(exact), signed(rounded)];
  const difference = b * exact.d - a * rounded.d;
  const absolute = ratio(difference, exact.d * rounded.d);
  return { absolute, relative: exact.n ? ratio(difference, exact.n * rounded.d) : null };
}

const signed = (exact) => (exact.negative ? -exact.n : exact.n);

function ratio(n, d) {
  return toNumber({ kind: "finite", negative: n < 0n, n: n < 0n ? -n : n, d });
}
