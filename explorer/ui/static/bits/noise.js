/**
 * The signal-to-quantization-noise ratio, 10 log10(Σx² / Σ(x − q)²), over the values that stay finite
 * (Bennett 1948, "Spectra of quantized signals").
 *
 * @typedef {object} Noise
 * @property {number} decibels infinite where there is no error at all, NaN where nothing but zero stayed finite
 * @property {number} lost share of Σx² that is in values that did not stay finite
 * @property {number} zeroed share of the finite values other than zero that became zero
 * @property {number} broken share of them that did not stay finite
 */

/** Values between two looks at the clock. */
const PIECE = 2048;

/**
 * Compare values with what rounding makes of them, a piece at a time. The scale is in both, and so cancels out.
 * @param {Float32Array | Float64Array} values
 * @param {number} scale values are multiplied by 2^scale
 * @param {(value: number, at: number) => number} rounded the scaled value, rounded, and its position
 * @returns {Generator<void, Noise>}
 */
export function* noise(values, scale, rounded) {
  const factor = 2 ** scale;
  let largest = 0;
  for (const value of values) {
    const magnitude = Math.abs(value * factor);
    if (magnitude > largest && magnitude < Infinity) largest = magnitude;
  }
  let [signal, error, lost, present, zeroed, broken] = [0, 0, 0, 0, 0, 0];
  for (let start = 0; start < values.length; start += PIECE) {
    const end = Math.min(start + PIECE, values.length);
    for (let at = start; at < end; at++) {
      const value = values[at] * factor;
      // Adding nothing, and what is not finite was never a signal.
      if (value === 0 || value - value !== 0) continue;
      present++;
      const kept = rounded(value, at);
      // In units of the largest, whose square no double could hold, maybe.
      const unit = value / largest;
      if (kept - kept !== 0) {
        broken++;
        lost += unit * unit;
        continue;
      }
      if (kept === 0) zeroed++;
      const off = (value - kept) / largest;
      signal += unit * unit;
      error += off * off;
    }
    yield;
  }
  return {
    decibels: signal ? 10 * Math.log10(signal / error) : NaN,
    lost: lost / (signal + lost),
    zeroed: zeroed / present,
    broken: broken / present,
  };
}
