/** A number exactly as it was given: read from text, from a double, and back to the nearest double. */

import { decode, dyadic } from "./codec.js";

/**
 * Sign and magnitude; the magnitude is `n / d`, not necessarily in lowest terms, and −0 has a sign too.
 * @typedef {{kind: "finite", negative: boolean, n: bigint, d: bigint}
 *   | {kind: "infinity", negative: boolean} | {kind: "nan"}} Exact
 */

/** What a person gave cannot be used; the message is one sentence for them. */
export class BadInput extends Error {}

/** Characters of a text that are read. More would hold up the page, and no format can tell so many digits apart. */
const LONGEST_TEXT = 10_000;
/** Characters of a refused text that the sentence repeats. */
const LONGEST_ECHO = 60;
/**
 * A decimal beyond 10^±1000 is read as 10^±1000, as `explorer.formats` does: far outside of every format, it rounds
 * alike in every mode, while 1e999999999 would be written out with a billion digits. As for powers of two: with such
 * a factor before them, 2^±8000 is as far outside.
 */
const FARTHEST_DECIMAL = 1000;
const FARTHEST_BINARY = 8000;

const ACCEPTED =
  "a decimal like 0.1 or 1e-5, a power of two like 2^-14 or 1.5*2^3, a code like 0x3C00 or 0b0101, inf, -inf or nan";

// No two neighbouring parts of these can match the same digit, so that a long text is refused in one pass.
const DECIMAL = String.raw`(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?`;
const PLAIN = new RegExp(`^([+-]?)${DECIMAL}$`);
const TIMES_POWER = new RegExp(String.raw`^([+-]?)(?:${DECIMAL}\*)?2\^([+-]?\d+)$`);
const SPECIAL = /^([+-]?)(inf|infinity|nan)$/;
const CODE = /^0(x[0-9a-f]+|b[01]+)$/;

/** @param {number} value @returns {Exact} */
export function fromNumber(value) {
  if (Number.isNaN(value)) return { kind: "nan" };
  const negative = value < 0 || Object.is(value, -0);
  if (!Number.isFinite(value)) return { kind: "infinity", negative };
  const { significand, exponent } = dyadic(value);
  return timesPowerOfTwo({ kind: "finite", negative, n: significand, d: 1n }, exponent);
}

/** The nearest double, a tie to the even one. @param {Exact} exact @returns {number} */
export function toNumber(exact) {
  if (exact.kind === "nan") return NaN;
  if (exact.kind === "infinity") return exact.negative ? -Infinity : Infinity;
  const { negative, n, d } = exact;
  if (n === 0n) return negative ? -0 : 0;
  // binary64 has 53 digits, and none worth less than 2^-1074 (IEEE 754-2019, table 3.5).
  const unit = Math.max(floorLog2(n, d) - 52, -1074);
  if (unit > 1023) return negative ? -Infinity : Infinity;
  let { whole, remainder, divisor } = inUnits(n, d, unit);
  const twice = 2n * remainder;
  if (twice > divisor || (twice === divisor && whole & 1n)) whole += 1n;
  const size = Number(whole) * 2 ** unit;
  return negative ? -size : size;
}

/** @param {Exact} exact @param {number} k whole @returns {Exact} */
export function timesPowerOfTwo(exact, k) {
  if (exact.kind !== "finite" || k === 0) return exact;
  return k > 0 ? { ...exact, n: exact.n << BigInt(k) } : { ...exact, d: exact.d << BigInt(-k) };
}

/** The largest power of two that is not above n / d, as an exponent. @param {bigint} n above 0 @param {bigint} d */
export function floorLog2(n, d) {
  const exponent = bitLength(n) - bitLength(d);
  const below = exponent >= 0 ? n < d << BigInt(exponent) : n << BigInt(-exponent) < d;
  return below ? exponent - 1 : exponent;
}

/** n / d = (whole + remainder / divisor) · 2^unit. */
export function inUnits(n, d, unit) {
  const dividend = unit < 0 ? n << BigInt(-unit) : n;
  const divisor = unit > 0 ? d << BigInt(unit) : d;
  return { whole: dividend / divisor, remainder: dividend % divisor, divisor };
}

function bitLength(whole) {
  const digits = whole.toString(16);
  return 4 * digits.length - Math.clz32(parseInt(digits[0], 16)) + 28;
}

/**
 * Read what a person typed.
 * @param {string} text
 * @param {import("./codec.js").Format} [format] whose codes 0x… and 0b… are
 * @returns {{exact: Exact, code?: bigint}} `code` where a code was given
 * @throws {BadInput}
 */
export function parse(text, format) {
  const trimmed = text.trim();
  if (trimmed === "") throw new BadInput(`Nothing is given; give ${ACCEPTED}.`);
  if (trimmed.length > LONGEST_TEXT) {
    throw new BadInput(`A text of ${trimmed.length} characters is too long: at most ${LONGEST_TEXT} are read.`);
  }
  const plain = withPlainSigns(trimmed);
  const special = SPECIAL.exec(plain);
  if (special?.[2] === "nan") return { exact: { kind: "nan" } };
  if (special) return { exact: { kind: "infinity", negative: special[1] === "-" } };
  if (CODE.test(plain)) return readCode(trimmed, plain, format);
  const exact = readDecimal(PLAIN.exec(plain)) ?? readDecimal(TIMES_POWER.exec(plain));
  if (exact) return { exact };
  throw new BadInput(whyNot(trimmed, plain));
}

/** Signs as people write and pages print them, as programs do. */
function withPlainSigns(text) {
  return text
    .toLowerCase()
    .replace(/[\u2212\u2010-\u2013\ufe63\uff0d]/g, "-")
    .replace(/∞/g, "inf")
    .replace(/\*\*/g, "^")
    .replace(/[×·⋅]/g, "*");
}

/** @param {RegExpExecArray | null} match of PLAIN or TIMES_POWER @returns {Exact | null} */
function readDecimal(match) {
  if (!match) return null;
  const [, sign, before, after = "", exponent = "0", power = "0"] = match;
  const negative = sign === "-";
  // TIMES_POWER without a factor; but a point or an exponent alone is no number.
  if (before === undefined) return timesPowerOfTwo({ kind: "finite", negative, n: 1n, d: 1n }, within(power, FARTHEST_BINARY));
  if (before === "" && after === "") return null;
  const digits = (before + after).replace(/^0+/, "");
  if (digits === "") return { kind: "finite", negative, n: 0n, d: 1n };
  const last = Number(exponent) - after.length;
  const first = last + digits.length - 1;
  const far = Math.abs(first) > FARTHEST_DECIMAL;
  const tens = far ? Math.sign(first) * FARTHEST_DECIMAL : last;
  const n = far ? 1n : BigInt(digits);
  const scaled = tens < 0 ? { n, d: 10n ** BigInt(-tens) } : { n: n * 10n ** BigInt(tens), d: 1n };
  return timesPowerOfTwo({ kind: "finite", negative, ...scaled }, within(power, FARTHEST_BINARY));
}

function within(text, farthest) {
  return Math.max(-farthest, Math.min(Number(text), farthest));
}

function readCode(given, plain, format) {
  if (!format) throw new BadInput(`${echo(given)} is a code; choose the format whose code it is.`);
  const code = BigInt(plain);
  const needed = code === 0n ? 1 : bitLength(code);
  if (needed > format.bits) {
    throw new BadInput(`${echo(given)} needs ${needed} bits, but ${format.label} has ${format.bits}.`);
  }
  return { exact: fromNumber(decode(code, format).value), code };
}

function whyNot(given, plain) {
  if (/\s/.test(plain)) return `${echo(given)} has a space in it; write the number without spaces.`;
  if (plain.includes("_")) return `${echo(given)} has an underscore in it; write the digits without separators.`;
  if (plain.includes(",")) {
    return `${echo(given)} has a comma in it; write a point before the decimals, and no separators between thousands.`;
  }
  if (/^[+-]0[xb]/.test(plain)) return `${echo(given)} has a sign before a code; the code's own bits say its sign.`;
  return `${echo(given)} is not a number; give ${ACCEPTED}.`;
}

function echo(text) {
  return text.length > LONGEST_ECHO ? `${text.slice(0, LONGEST_ECHO - 1)}…` : text;
}
