/** What the page's link keeps of a tensor: where its values come from. The values of a file it does not. */

export const SOURCES = [
  ["lognormal", "log-normal, as gradients are"],
  ["normal", "normal, as weights are"],
  ["uniform", "uniform"],
  ["pasted", "pasted numbers"],
  ["file", "a .npy or .safetensors file"],
  ["run", "gradients of a recorded run"],
];
export const GENERATED = ["lognormal", "normal", "uniform"];
export const CENTRE = { min: -60, max: 30, usual: -20 };
export const SPREAD = { min: 0.5, max: 12, usual: 4 };
/** A longer text would make a link too long to send. */
export const LONGEST_LINKED = 300;

/** What a link says of the source, made whole. @param {any} tensor anything at all */
export function readSource(tensor) {
  const within = (value, { min, max, usual }) => (Number.isFinite(value) && value >= min && value <= max ? value : usual);
  const given = tensor ?? {};
  return {
    source: SOURCES.some(([name]) => name === given.source) ? given.source : "lognormal",
    centre: within(given.centre, CENTRE),
    spread: within(given.spread, SPREAD),
    text: typeof given.text === "string" ? given.text.slice(0, LONGEST_LINKED) : "",
    run: typeof given.run === "string" ? given.run : "",
    lane: Number.isInteger(given.lane) ? given.lane : 0,
    step: Number.isInteger(given.step) ? given.step : null,
  };
}
