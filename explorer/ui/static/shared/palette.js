/** Colours and dashes. The colours are the style sheet's, so that page and plots cannot differ. */

/** Plotly's names of the dashes that the style sheet draws in the swatches. */
export const DASHES = ["solid", "dash", "dot", "dashdot"];

/** What holds memory, in the order in which a bar is stacked, with the words for it. */
export const MEMORY_PARTS = [
  ["weights", "weights"],
  ["master_weights", "master weights"],
  ["gradients", "gradients"],
  ["optimizer", "optimizer"],
  ["activations", "activations"],
  ["cast_cache", "cast cache"],
];

/** The present value of a custom property of the page. @param {string} name without the two dashes */
export function colour(name) {
  return getComputedStyle(document.body).getPropertyValue(`--${name}`).trim();
}

/** @param {number} lane */
export function laneColour(lane) {
  return colour(`lane-${lane % DASHES.length}`);
}

/** A colour of the page with little of it left, for areas. @param {string} hex as #rrggbb @param {number} [share] */
export function faint(hex, share = 0.18) {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${share})`;
}

/** What a step spends its time on. */
export const PHASES = [
  ["forward", "forward"],
  ["backward", "backward"],
  ["optimizer", "optimizer"],
];

/** Call back whenever the theme changes. */
export function onTheme(callback) {
  let dark = document.body.classList.contains("dark");
  new MutationObserver(() => {
    if (dark === document.body.classList.contains("dark")) return;
    dark = !dark;
    callback();
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
}
