/** Gradients layer by layer: a row a layer, a bar a lane of what is zero, subnormal and not finite. */

import { make, swatch } from "../shared/dom.js";

const KINDS = [
  ["zero", "zero"],
  ["subnormal", "subnormal"],
  ["nonfinite", "∞ or NaN"],
];

/**
 * @param {HTMLElement} place
 * @param {{index: number, lane: import("./run.js").Lane, layers: {step: number, names: string[], shares: number[][]} | null, first_bad: {layer: string, step: number} | null}[]} lanes
 */
export function showLayers(place, lanes) {
  const sampled = lanes.filter(({ layers }) => layers?.names.length);
  const names = [...new Set(sampled.flatMap(({ layers }) => layers.names))];
  const head = make("tr", {}, make("th", { scope: "col" }, legend()));
  for (const { lane, index } of sampled) {
    head.append(make("th", { scope: "col", title: lane.name }, swatch(index), make("span", { class: "layer-lane" }, lane.name)));
  }
  const body = make("tbody");
  for (const name of names) {
    const row = make("tr", {}, make("th", { scope: "row", title: name }, make("bdi", {}, name)));
    for (const each of sampled) row.append(cell(each, name));
    body.append(row);
  }
  const scrolled = place.scrollTop;
  place.replaceChildren(make("table", { class: "layer-table" }, make("thead", {}, head), body));
  place.scrollTop = scrolled;
}

function legend() {
  return make("span", { class: "layer-legend" }, ...KINDS.map(([kind, words]) => make("span", { "data-kind": kind }, words)));
}

function cell({ layers, first_bad: bad }, name) {
  const at = layers.names.indexOf(name);
  if (at < 0) return make("td");
  const shares = layers.shares[at];
  const percent = (share) => (share ? `${share < 0.001 ? "under 0.1" : (100 * share).toPrecision(3)} %` : "none");
  const words = KINDS.map(([, kind], which) => `${percent(shares[which])} ${kind}`).join(", ");
  const bar = make("span", { class: "layer-bar", role: "img", "aria-label": words });
  KINDS.forEach(([kind], which) => {
    const piece = make("i", { "data-kind": kind });
    piece.style.width = `${100 * shares[which]}%`;
    bar.append(piece);
  });
  const first = bad?.layer === name;
  const title = `Step ${layers.step}: ${words}${first ? `. The first to have a gradient that is not finite, at step ${bad.step}` : ""}`;
  const mark = first ? [make("b", { class: "layer-first" }, `✕ ${bad.step}`)] : [];
  return make("td", { title }, bar, ...mark);
}
