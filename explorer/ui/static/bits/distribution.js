/**
 * How a tensor's magnitudes are distributed, and from that what share of them a format loses: by binary search in the
 * sorted magnitudes, so that a new scale costs a few comparisons and not a pass over the tensor.
 *
 * @typedef {object} Distribution
 * @property {number} present finite values that are not zero: what shares are of
 * @property {number} zeros
 * @property {number} nonfinite
 * @property {number} negatives of those present
 * @property {number} low floor of the least log2|x|, in bins
 * @property {number[]} counts how many values lie in each bin from `low` on
 * @property {number} perOctave bins from a power of two to the next
 * @property {(boundary: import("./boundaries.js").Boundary, scale: number, negative: boolean) => number} beyond
 *   how many values of that sign, times 2^scale, lie beyond a boundary; under stochastic rounding: are expected to
 *
 * @typedef {object} Shares of the values present
 * @property {number} zeroed
 * @property {number} subnormal
 * @property {number} overflowed
 * @property {number} unsigned negative values in a format without sign
 */

import { MOST_SCALE } from "./state.js";

const PER_OCTAVE = 4;

/**
 * The distribution of values that are all at hand.
 * @param {Float32Array | Float64Array} values
 * @returns {Distribution}
 */
export function ofValues(values) {
  const positive = new Float64Array(values.length);
  const negative = new Float64Array(values.length);
  let [positives, negatives, zeros] = [0, 0, 0];
  for (const value of values) {
    if (value === 0) zeros++;
    else if (value > 0 && value < Infinity) positive[positives++] = value;
    else if (value < 0 && value > -Infinity) negative[negatives++] = -value;
  }
  const sides = [sorted(positive.subarray(0, positives)), sorted(negative.subarray(0, negatives))];
  const present = positives + negatives;
  return {
    present,
    zeros,
    nonfinite: values.length - present - zeros,
    negatives,
    ...binned(sides),
    beyond: (boundary, scale, minus) => sides[Number(minus)].beyond(boundary, 2 ** scale),
  };
}

/** Ascending magnitudes that are counted beyond a boundary. @param {Float64Array} magnitudes */
function sorted(magnitudes) {
  magnitudes.sort();
  /** @type {Float64Array | null} sums[i]: of the first i, where they were asked for */
  let sums = null;

  function first(threshold, factor) {
    let [low, high] = [0, magnitudes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (magnitudes[middle] * factor >= threshold) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function summed() {
    sums = new Float64Array(magnitudes.length + 1);
    magnitudes.forEach((magnitude, at) => (sums[at + 1] = sums[at] + magnitude));
    return sums;
  }

  return {
    magnitudes,
    first,
    beyond({ from, to }, factor) {
      const end = first(to, factor);
      const certain = magnitudes.length - end;
      if (from === to || to === Infinity) return certain;
      const start = first(from, factor);
      const { [start]: before, [end]: upTo } = sums ?? summed();
      return certain + ((upTo - before) * factor - (end - start) * from) / (to - from);
    },
  };
}

function binned(sides) {
  const filled = sides.filter(({ magnitudes }) => magnitudes.length);
  const bin = (magnitude) => {
    const at = Math.floor(Math.log2(magnitude) * PER_OCTAVE);
    // The logarithm of what lies just below an edge rounds up to it.
    return 2 ** (at / PER_OCTAVE) > magnitude ? at - 1 : at;
  };
  const low = Math.min(...filled.map(({ magnitudes }) => bin(magnitudes[0])));
  const high = Math.max(...filled.map(({ magnitudes }) => bin(magnitudes.at(-1))));
  if (!filled.length) return { low: 0, counts: [], perOctave: PER_OCTAVE };
  const edges = Array.from({ length: high - low + 2 }, (_, at) => 2 ** ((low + at) / PER_OCTAVE));
  const counts = new Array(high - low + 1).fill(0);
  for (const { first, magnitudes } of filled) {
    const starts = edges.map((edge, at) => (at === 0 ? 0 : at > high - low ? magnitudes.length : first(edge, 1)));
    counts.forEach((_, at) => (counts[at] += starts[at + 1] - starts[at]));
  }
  return { low, counts, perOctave: PER_OCTAVE };
}

/**
 * The distribution behind a recorded histogram of floor(log2|x|): within a bin, magnitudes are taken as evenly spread.
 * @param {number} low
 * @param {number[]} counts
 * @param {number} zeros
 * @param {number} nonfinite
 * @returns {Distribution}
 */
export function ofHistogram(low, counts, zeros, nonfinite) {
  const present = counts.reduce((sum, count) => sum + count, 0);
  // The chance summed from 0 to a magnitude.
  const summed = ({ from, to }, magnitude) => {
    if (magnitude <= from) return 0;
    return magnitude >= to ? magnitude - (from + to) / 2 : (magnitude - from) ** 2 / (2 * (to - from));
  };
  return {
    present,
    zeros,
    nonfinite,
    negatives: 0,
    low,
    counts,
    perOctave: 1,
    beyond(boundary, scale, minus) {
      if (minus) return 0;
      return counts.reduce((sum, count, at) => {
        const start = 2 ** (low + at + scale);
        return sum + (count * (summed(boundary, 2 * start) - summed(boundary, start))) / start;
      }, 0);
    },
  };
}

/**
 * What a format loses of the values times 2^scale.
 * @param {Distribution} distribution
 * @param {ReturnType<typeof import("./boundaries.js").boundaries>} limits
 * @param {number} scale
 * @returns {Shares}
 */
export function shares(distribution, limits, scale) {
  const { present, negatives } = distribution;
  if (!present) return { zeroed: 0, subnormal: 0, overflowed: 0, unsigned: 0 };
  const beyond = (name) =>
    distribution.beyond(limits.positive[name], scale, false) +
    (limits.negative ? distribution.beyond(limits.negative[name], scale, true) : 0);
  const unsigned = limits.negative ? 0 : negatives;
  const [nonzero, normal, over] = [beyond("nonzero"), beyond("normal"), beyond("over")];
  return {
    zeroed: (present - unsigned - nonzero) / present,
    subnormal: (nonzero - normal) / present,
    overflowed: over / present,
    unsigned: unsigned / present,
  };
}

/**
 * The scale at which a format keeps most: fewest overflow, then fewest become zero, then fewest are subnormal, then the
 * smallest change. Overflow counts first, for one infinity among the gradients costs the whole step (Micikevicius et
 * al. 2018, arXiv 1710.03740, section 3.2); saturated values cost no more than those that became zero.
 * @param {Distribution} distribution
 * @param {ReturnType<typeof import("./boundaries.js").boundaries>} limits
 * @param {string} overflow
 * @returns {{scale: number, shares: Shares}}
 */
export function bestScale(distribution, limits, overflow) {
  const cost = (scale, { overflowed, zeroed, subnormal }) =>
    overflow === "native"
      ? [overflowed, zeroed, subnormal, Math.abs(scale)]
      : [overflowed + zeroed, subnormal, Math.abs(scale)];
  let best = null;
  for (let scale = -MOST_SCALE; scale <= MOST_SCALE; scale++) {
    const found = shares(distribution, limits, scale);
    const costs = cost(scale, found);
    const at = best ? costs.findIndex((value, index) => value !== best.costs[index]) : 0;
    if (at >= 0 && (!best || costs[at] < best.costs[at])) best = { scale, shares: found, costs };
  }
  return { scale: best.scale, shares: best.shares };
}
