/** Made-up tensors, the same for the same seed, with values that float32 holds. */

import { random } from "./state.js";

export const COUNT = 65_536;

/**
 * Values whose magnitudes spread around a power of two.
 *
 * - `lognormal`: log2|x| is normal with mean `centre` and standard deviation `spread`, the signs are even. Activation
 *   gradients look like this (Chmiel et al. 2020, arXiv 2006.08173).
 * - `normal`: mean 0, standard deviation 2^centre, as weights are drawn.
 * - `uniform`: between −2^centre and 2^centre.
 * @param {"lognormal" | "normal" | "uniform"} shape
 * @param {number} centre
 * @param {number} spread in octaves; only `lognormal` has one
 * @param {number} seed
 */
export function generate(shape, centre, spread, seed) {
  const draw = random(seed);
  const values = new Float32Array(COUNT);
  const unit = 2 ** centre;
  if (shape === "uniform") {
    for (let at = 0; at < COUNT; at++) values[at] = unit * (2 * draw() - 1);
    return values;
  }
  const make = shape === "normal" ? (z) => unit * z : (z) => (draw() < 0.5 ? -1 : 1) * 2 ** (centre + spread * z);
  for (let at = 0; at < COUNT; at += 2) {
    // Two independent normal numbers from two uniform ones (Box and Muller 1958). 1 − draw() is never 0.
    const radius = Math.sqrt(-2 * Math.log(1 - draw()));
    const angle = 2 * Math.PI * draw();
    values[at] = make(radius * Math.cos(angle));
    values[at + 1] = make(radius * Math.sin(angle));
  }
  return values;
}
