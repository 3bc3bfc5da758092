/**
 * Decode a number's code from its format's definition, as `explorer.formats.catalogue()` gives it.
 * No format is wider than a JavaScript number, so that every value is exact; a code may be, so that it may be a bigint.
 */

/**
 * @typedef {object} Format
 * @property {string} name
 * @property {string} label
 * @property {number} bits
 * @property {number} exponent_bits
 * @property {number} mantissa_bits
 * @property {number} bias
 * @property {number} max largest finite value
 * @property {number} smallest_normal
 * @property {number | null} smallest_subnormal
 * @property {number} epsilon 2^-mantissa_bits
 * @property {boolean} has_inf
 * @property {boolean} has_nan
 * @property {boolean} signed
 * @property {boolean} has_zero whether code 0 is zero
 * @property {boolean} has_negative_zero
 * @property {boolean} has_subnormals if not, exponent field 0 is an exponent like any other
 * @property {number} max_code code of the largest finite value; of a format wider than 53 bits only nearly
 * @property {string} max_code_hex the same, to the last bit
 * @property {string | null} nan_code_hex the NaN that rounding gives
 *
 * @typedef {object} Decoded
 * @property {"zero" | "subnormal" | "normal" | "infinity" | "nan"} kind
 * @property {number} sign 0 or 1
 * @property {number} exponentField
 * @property {number} mantissaField
 * @property {number} value
 */

/**
 * @param {bigint | number} code a bigint where the format is wider than 53 bits
 * @param {Format} format
 * @returns {Decoded}
 */
export function decode(code, format) {
  const [sign, exponentField, mantissaField] = split(code, format);
  const read = (kind, value) => ({ kind, sign, exponentField, mantissaField, value: sign ? -value : value });
  const nothing = exponentField === 0 && mantissaField === 0;
  if (sign && nothing && !format.has_negative_zero) return read("nan", NaN);
  const implicit = 2 ** format.mantissa_bits;
  const least = leastExponentField(format);
  const normal = exponentField >= least;
  const significand = normal ? implicit + mantissaField : mantissaField;
  const value = significand * 2 ** unitExponent(exponentField, format);
  // Codes are in the order of their values, so that what lies beyond the largest value has a code beyond its code.
  if (value > format.max) {
    const [, exponentOfMax, mantissaOfMax] = split(BigInt(format.max_code_hex), format);
    const beyond = (exponentField - exponentOfMax) * implicit + mantissaField - mantissaOfMax;
    return format.has_inf && beyond === 1 ? read("infinity", Infinity) : read("nan", NaN);
  }
  if (nothing && format.has_zero) return read("zero", 0);
  return read(normal ? "normal" : "subnormal", value);
}

/** Sign, exponent field and mantissa field of a code, as numbers. */
function split(code, format) {
  if (format.bits > 32) {
    const whole = BigInt(code);
    const exponent = BigInt.asUintN(format.exponent_bits, whole >> BigInt(format.mantissa_bits));
    const sign = format.signed ? whole >> BigInt(format.bits - 1) : 0n;
    return [Number(sign), Number(exponent), Number(BigInt.asUintN(format.mantissa_bits, whole))];
  }
  // Powers of two instead of shifts: JavaScript's shifts are signed and end at 32 bits.
  const half = 2 ** (format.bits - 1);
  const sign = format.signed && Number(code) >= half ? 1 : 0;
  const magnitude = Number(code) - sign * half;
  const implicit = 2 ** format.mantissa_bits;
  return [sign, Math.floor(magnitude / implicit), magnitude % implicit];
}

/** Exponent field of the smallest normal numbers. @param {Format} format */
export function leastExponentField(format) {
  return format.has_subnormals ? 1 : 0;
}

/**
 * Power of two that the last mantissa bit is worth. Subnormals share the binade of the least normals.
 * @param {number} exponentField
 * @param {Format} format
 */
export function unitExponent(exponentField, format) {
  return Math.max(exponentField, leastExponentField(format)) - format.bias - format.mantissa_bits;
}

/**
 * The code as the three fields of its bits, each a string of 0 and 1.
 * @param {bigint | number} code
 * @param {Format} format
 * @returns {{sign: string, exponent: string, mantissa: string}}
 */
export function fields(code, format) {
  const bits = code.toString(2).padStart(format.bits, "0");
  const first = format.signed ? 1 : 0;
  const second = first + format.exponent_bits;
  return { sign: bits.slice(0, first), exponent: bits.slice(first, second), mantissa: bits.slice(second) };
}

/** The value in few digits, for a column of values. @param {number} value */
export function short(value) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return Object.is(value, -0) ? "−0" : "0";
  const magnitude = Math.abs(value);
  const text = magnitude >= 1e-4 && magnitude < 1e6 ? value.toPrecision(7) : value.toExponential(5);
  return text.replaceAll("-", "−");
}

/**
 * The value with all its decimal digits and no exponent, and "-0", "inf", "-inf" and "nan": the text that
 * `explorer.formats` gives. A double is a whole number times a power of two, so that its expansion ends.
 * @param {number} value
 */
export function exact(value) {
  if (Number.isNaN(value)) return "nan";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (!Number.isFinite(value)) return `${sign}inf`;
  const { significand, exponent } = dyadic(value);
  if (exponent >= 0) return sign + (significand << BigInt(exponent));
  // m / 2^k is m 5^k / 10^k.
  const digits = String(significand * 5n ** BigInt(-exponent)).padStart(1 - exponent, "0");
  return `${sign}${digits.slice(0, exponent)}.${digits.slice(exponent)}`;
}

/**
 * A finite double's magnitude as an odd whole number (or 0) times a power of two.
 * @param {number} value
 * @returns {{significand: bigint, exponent: number}}
 */
export function dyadic(value) {
  if (value === 0) return { significand: 0n, exponent: 0 };
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const field = Number((bits >> 52n) & 0x7ffn); // binary64: IEEE 754-2019, table 3.5
  let significand = BigInt.asUintN(52, bits) | (field ? 1n << 52n : 0n);
  let exponent = Math.max(field, 1) - 1075;
  const zeros = trailingZeros(significand);
  return { significand: significand >> BigInt(zeros), exponent: exponent + zeros };
}

/** How many zeros a whole number above 0 ends in, in binary. */
function trailingZeros(whole) {
  const bits = whole.toString(2);
  return bits.length - 1 - bits.lastIndexOf("1");
}
