/** What is said of a tensor, in numbers and in a sentence. */

import { powerOfTwo } from "./words.js";

/** A share as a percentage of three digits, which says 0 and 100 only where that is exact. @param {number} part of 1 */
export function share(part) {
  if (part === 0) return "0 %";
  if (part < 1e-6) return "< 0.0001 %";
  const digits = (part * 100).toPrecision(3);
  if (part < 1 && Number(digits) === 100) return "> 99.9 %";
  return `${Number(digits)} %`;
}

/** @param {number} number @param {string} noun */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** What generated values are. @param {number} number @param {string} shape */
export function madeUp(number, shape, { centre, spread }) {
  const about = {
    lognormal: `log-normal about ${powerOfTwo(centre)}, spread ${spread} octaves`,
    normal: `normal, standard deviation ${powerOfTwo(centre)}`,
    uniform: `uniform between −${powerOfTwo(centre)} and ${powerOfTwo(centre)}`,
  }[shape];
  return `${count(number, "made-up value")}, ${about}`;
}

/** Which zeros and special values are left out of all shares. @param {import("./distribution.js").Distribution} distribution */
export function leftOut({ zeros, nonfinite }) {
  const parts = [];
  if (zeros) parts.push(`${count(zeros, "exact zero")}`);
  if (nonfinite) parts.push(count(nonfinite, "infinite or NaN value"));
  return parts.length ? ` Left out: ${parts.join(" and ")}.` : "";
}

/**
 * What a format loses of the values now, and at its best scale.
 * @param {object} format
 * @param {number} scale
 * @param {import("./distribution.js").Shares} now
 * @param {{scale: number, shares: import("./distribution.js").Shares}} best
 * @param {string} overflow
 */
export function story(format, scale, now, best, overflow) {
  const by = scale ? `Multiplied by ${powerOfTwo(scale)}, in ${format.label}` : `In ${format.label}`;
  const then = `Multiplied by ${powerOfTwo(best.scale)}`;
  if (now.unsigned === 1) return `${format.label} has no sign, and all of the values are negative.`;
  const begin = `${by} ${told(now, overflow, "are subnormal")}.`;
  const lost = (shares) => shares.zeroed + shares.overflowed;
  if (lost(now) + now.subnormal === 0) return begin;
  if (best.scale === scale) return `${begin} No power of two would keep more.`;
  if (lost(now) === 0) return `${begin} ${then}, ${best.shares.subnormal ? share(best.shares.subnormal) : "none"} would be.`;
  const left = best.shares;
  if (lost(left) === 0) return `${begin} ${then}, none would be lost.`;
  const fewer = (name) => `${left[name] < now[name] ? "only " : ""}${share(left[name])}`;
  const parts = [];
  if (left.zeroed) parts.push(`${fewer("zeroed")} would become 0`);
  if (left.overflowed) parts.push(`${fewer("overflowed")} would overflow`);
  return `${begin} ${then}, ${parts.join(" and ")}${left.overflowed ? "" : ", and none would overflow"}.`;
}

function told({ zeroed, subnormal, overflowed, unsigned }, overflow) {
  const parts = [];
  const add = (part, words) => {
    if (part) parts.push(`${share(part)}${parts.length ? "" : " of the values"} ${words}`);
  };
  add(unsigned, "become NaN, for it has no sign");
  add(zeroed, "become 0");
  add(overflowed, overflow === "saturate" ? "are cut to the largest value" : "overflow");
  if (!parts.length) {
    return subnormal ? `no value is lost, but ${share(subnormal)} are subnormal and lose digits` : "no value is lost, and none is subnormal";
  }
  add(subnormal, "are subnormal");
  return parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts[0];
}

/**
 * The signal-to-noise ratio as a cell says it, and why where it says none.
 * @param {import("./noise.js").Noise} noise
 * @param {number} unsigned share of negative values in a format without sign
 * @returns {{value: string, why: string}}
 */
export function decibels({ decibels: ratio, lost, broken }, unsigned) {
  if (unsigned) return { value: "—", why: `no sign: ${share(unsigned)} become NaN` };
  if (broken === 1) return { value: "—", why: "nothing stays finite" };
  // The largest values carry most of the signal. Where most of it is gone, what the rest keeps says little.
  if (lost > 0.5) return { value: "—", why: "most of the signal overflows" };
  if (Number.isNaN(ratio)) return { value: "—", why: "there is no signal" };
  const why = broken ? "of what stays finite" : "";
  return { value: ratio === Infinity ? "exact" : `${ratio.toFixed(1).replace("-", "−")} dB`, why };
}
