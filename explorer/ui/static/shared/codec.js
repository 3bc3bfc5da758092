/**
 * Decode a number's code from its format's definition, as `explorer.formats.catalogue()` gives it.
 * A format of up to 32 bits fits a JavaScript number exactly, and so does its value.
 */

/**
 * @typedef {object} Format
 * @property {string} name
 * @property {string} label
 * @property {number} bits
 * @property {number} exponent_bits
 * @property {number} mantissa_bits
 * @property {number} bias
 * @property {boolean} has_inf
 * @property {boolean} signed
 * @property {boolean} has_negative_zero
 * @property {number} max_code code of the largest finite value
 *
 * @typedef {object} Decoded
 * @property {"zero" | "subnormal" | "normal" | "infinity" | "nan"} kind
 * @property {number} sign 0 or 1
 * @property {number} exponentField
 * @property {number} mantissaField
 * @property {number} value
 */

/**
 * @param {number} code
 * @param {Format} format
 * @returns {Decoded}
 */
export function decode(code, format) {
  // Powers of two instead of shifts: JavaScript's shifts are signed and end at 32 bits.
  const half = 2 ** (format.bits - 1);
  const sign = format.signed && code >= half ? 1 : 0;
  const magnitude = code - sign * half;
  const implicit = 2 ** format.mantissa_bits;
  const mantissaField = magnitude % implicit;
  const exponentField = Math.floor(magnitude / implicit);
  const read = (kind, value) => ({ kind, sign, exponentField, mantissaField, value: sign ? -value : value });
  if (sign && magnitude === 0 && !format.has_negative_zero) return read("nan", NaN);
  if (magnitude > format.max_code) {
    return format.has_inf && magnitude === format.max_code + 1 ? read("infinity", Infinity) : read("nan", NaN);
  }
  const lowest = 1 - format.bias - format.mantissa_bits;
  if (exponentField === 0) return read(mantissaField ? "subnormal" : "zero", mantissaField * 2 ** lowest);
  return read("normal", (implicit + mantissaField) * 2 ** (exponentField - 1 + lowest));
}

/**
 * The code as the three fields of its bits, each a string of 0 and 1.
 * @param {number} code
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

/** The value's exact decimal expansion, up to 100 significant digits. @param {number} value */
export function exact(value) {
  if (!Number.isFinite(value) || value === 0) return short(value);
  const text = value.toPrecision(100);
  const [digits, exponent] = text.split("e");
  const trimmed = digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;
  return exponent === undefined ? trimmed : `${trimmed}e${exponent}`;
}
