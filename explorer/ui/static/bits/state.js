/**
 * The state of the Bits page, and the link that restores it: plain data, no page.
 *
 * @typedef {object} State
 * @property {string} text the number as it was typed
 * @property {import("../shared/rational.js").Exact} exact what it is
 * @property {{format: string, code: bigint} | null} code where the number was given as a code
 * @property {string[]} formats those shown, in the catalogue's order
 * @property {string} focus the format that codes and arrow keys mean; one of those shown
 * @property {string} rounding
 * @property {string} overflow
 * @property {number} seed of the random bits of stochastic rounding
 * @property {number} scale exponent k of the scale factor 2^k
 * @property {object} line what the number line keeps
 * @property {object} block what the block keeps
 * @property {object} tensor what the tensor keeps
 */

export const ROUNDINGS = [
  ["nearest-even", "nearest, ties to even"],
  ["nearest-away", "nearest, ties away from zero"],
  ["toward-zero", "toward zero"],
  ["toward-positive", "toward +∞"],
  ["toward-negative", "toward −∞"],
  ["stochastic", "stochastic"],
];
export const OVERFLOWS = [
  ["native", "as the format's standard"],
  ["saturate", "to the largest value"],
];
export const MOST_SCALE = 40;

const SHOWN = ["fp32", "fp16", "bf16", "e4m3fn", "e5m2", "e2m1"];
const FOCUS = "fp16";
/** Parameters that hold JSON of a section's own. */
const SECTIONS = { line: "l", block: "b", tensor: "t" };

/** Everything but the number itself, as it stands when nothing is asked for. */
export const DEFAULTS = {
  text: "0.1",
  formats: SHOWN,
  focus: FOCUS,
  rounding: "nearest-even",
  overflow: "native",
  seed: 0,
  scale: 0,
  line: {},
  block: {},
  tensor: {},
};

/**
 * What a link asks for; whatever it says that makes no sense is left at its default.
 * @param {URLSearchParams} query
 * @param {string[]} names of all formats
 */
export function readLink(query, names) {
  const among = (value, pairs, otherwise) => (pairs.some(([name]) => name === value) ? value : otherwise);
  const whole = (value, low, high, otherwise) =>
    /^-?\d{1,9}$/.test(value ?? "") && value >= low && value <= high ? Number(value) : otherwise;
  const asked = (query.get("f") ?? "").split(",");
  const formats = names.filter((name) => asked.includes(name));
  const state = {
    text: query.get("v") ?? DEFAULTS.text,
    formats: formats.length ? formats : SHOWN,
    rounding: among(query.get("r"), ROUNDINGS, DEFAULTS.rounding),
    overflow: among(query.get("o"), OVERFLOWS, DEFAULTS.overflow),
    seed: whole(query.get("s"), 0, 999_999_999, DEFAULTS.seed),
    scale: whole(query.get("k"), -MOST_SCALE, MOST_SCALE, DEFAULTS.scale),
  };
  state.focus = [query.get("c"), FOCUS].find((name) => state.formats.includes(name)) ?? state.formats[0];
  for (const [section, key] of Object.entries(SECTIONS)) state[section] = readObject(query.get(key));
  return state;
}

function readObject(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

/**
 * The query of a link to a state: only what differs from the page as it opens.
 * @param {State} state
 */
export function writeLink(state) {
  const query = new URLSearchParams();
  const put = (key, value, usual) => {
    if (String(value) !== String(usual)) query.set(key, String(value));
  };
  put("v", state.text, DEFAULTS.text);
  put("f", state.formats, DEFAULTS.formats);
  put("c", state.focus, DEFAULTS.focus);
  put("r", state.rounding, DEFAULTS.rounding);
  put("o", state.overflow, DEFAULTS.overflow);
  put("s", state.seed, DEFAULTS.seed);
  put("k", state.scale, DEFAULTS.scale);
  for (const [section, key] of Object.entries(SECTIONS)) put(key, JSON.stringify(state[section]), "{}");
  const text = query.toString();
  // Commas are safe in a query, and a link is read by people.
  return text && `?${text.replaceAll("%2C", ",")}`;
}

/** A seeded source of numbers in [0, 1): mulberry32 (Tommy Ettinger, public domain). @param {number} seed */
export function random(seed) {
  let at = seed >>> 0;
  return () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
