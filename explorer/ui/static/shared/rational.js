/** A number exactly, as a fraction of whole numbers: read from text, from a double, and back to the nearest double. */

import { BadInput, quoted, refusal, shortened } from "./bad-input.js";
import { decode, dyadic } from "./codec.js";

export { BadInput };

/**
 * Sign and magnitude; the magnitude is `n / d`, not necessarily in lowest terms, and −0 has a sign too.
 * @typedef {{kind: "finite", negative: boolean, n: bigint, d: bigint}
 *   | {kind: "infinity", negative: boolean} | {kind: "nan"}} Exact
 */

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
  const { whole, remainder, divisor } = inUnits(n, d, unit);
  const twice = 2n * remainder;
  const up = twice > divisor || (twice === divisor && (whole & 1n) === 1n);
  const size = Number(up ? whole + 1n : whole) * 2 ** unit;
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

// The rest reads text, by the rules and within the limits of `explorer.formats.text`.

const ACCEPTED = "a decimal (0.1, 1e-5), a power (2^-14, 1.5*2^-3), a code (0x2E66, 0b1010), nan, inf or -inf";
/** Characters that are read. The longest double written out has 1077. */
const LONGEST_TEXT = 10_000;
/**
 * Significant digits that are taken as they are; what follows is at most told from zero. Halfway between two doubles
 * lies no number of more than 768 digits, so that no rounding is decided any further out.
 */
const DIGITS_KEPT = 2000;
/** A number beyond 10^±1000, or with a longer way there than 2^±40000, is read as 10^±1000: it rounds alike. */
const FARTHEST_DECIMAL = 1000;
const FARTHEST_BINARY = 40_000;

// No two neighbouring parts can match the same digit, so that a long text is refused in one pass.
const NUMBER = String.raw`(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?`;
const SPACE = String.raw`[ \t\n\r\f\v]*`;
const DECIMAL = new RegExp(`^${NUMBER}$`);
const POWER = new RegExp(String.raw`^(?:${NUMBER}${SPACE}[*×]${SPACE})?2${SPACE}(?:\^|\*\*)${SPACE}([+-]?\d+)$`);
const CODE = /^0(?:x[0-9a-f]+|b[01]+)$/;

/**
 * Read what a person typed: a decimal number, a power of two, a code of a format, infinity, NaN.
 * @param {string} text
 * @param {import("./codec.js").Format} [format] whose codes 0x… and 0b… are
 * @returns {{exact: Exact, code?: bigint}} `code` where a code was given
 * @throws {BadInput}
 */
export function parse(text, format) {
  const given = text.trim();
  if (given === "") throw refusal("value", quoted(text), ACCEPTED);
  if (text.length > LONGEST_TEXT) {
    throw refusal("value", quoted(text), `up to ${LONGEST_TEXT} characters, and there are ${text.length}`);
  }
  const body = given.toLowerCase().replaceAll("−", "-").replaceAll("∞", "inf");
  if (CODE.test(body)) return readCode(given, body, format);
  const negative = body.startsWith("-");
  const unsigned = body.replace(/^[+-]/, "");
  if (unsigned === "inf" || unsigned === "infinity") return { exact: { kind: "infinity", negative } };
  if (unsigned === "nan") return { exact: { kind: "nan" } };
  const [, digits, exponent, power] = POWER.exec(unsigned) ?? DECIMAL.exec(unsigned) ?? [];
  // A power may stand without a factor, a factor without a power.
  if (digits === undefined && power === undefined) throw refusal("value", quoted(given), ACCEPTED);
  const size = magnitude(digits ?? "1", Number(exponent ?? 0), Number(power ?? 0));
  return { exact: { kind: "finite", negative, ...size } };
}

/** Digits with a point, times 10^exponent, times 2^power. @returns {{n: bigint, d: bigint}} */
function magnitude(digits, exponent, power) {
  const [whole, part = ""] = digits.split(".");
  const significant = (whole + part).replace(/^0+/, "");
  if (significant === "") return { n: 0n, d: 1n };
  const leading = exponent - part.length + significant.length - 1;
  const size = leading + power * Math.log10(2);
  if (Math.abs(size) > FARTHEST_DECIMAL || Math.abs(power) > FARTHEST_BINARY) {
    const far = 10n ** BigInt(FARTHEST_DECIMAL);
    return size < 0 ? { n: 1n, d: far } : { n: far, d: 1n };
  }
  const more = /[1-9]/.test(significant.slice(DIGITS_KEPT)) ? "1" : "";
  const kept = significant.slice(0, DIGITS_KEPT) + more;
  const tens = leading - kept.length + 1;
  return {
    n: (BigInt(kept) * 10n ** BigInt(Math.max(tens, 0))) << BigInt(Math.max(power, 0)),
    d: (10n ** BigInt(Math.max(-tens, 0))) << BigInt(Math.max(-power, 0)),
  };
}

function readCode(given, body, format) {
  if (!format) throw refusal("value", quoted(given), "a code together with the format that it is one of");
  const code = BigInt(body);
  const { bits, label } = format;
  const needed = bitLength(code);
  if (needed > bits) {
    const reason = `a code of ${label} has ${bits} bits, and this one ${needed}`;
    throw new BadInput(`value: ${shortened(given)} into ${bits} bits does not go: ${reason}.`);
  }
  return { exact: fromNumber(decode(code, format).value), code };
}
