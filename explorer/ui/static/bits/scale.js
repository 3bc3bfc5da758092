/** Scale it: what each format keeps of the number by itself, and of the number times a scale that is divided out again. */

import { decode } from "../shared/codec.js";
import { make, setText } from "../shared/dom.js";
import { fromNumber, timesPowerOfTwo, toNumber } from "../shared/rational.js";
import { encoded, errors } from "./conversion.js";
import { MOST_SCALE } from "./state.js";
import { figure, percent, powerOfTwo } from "./words.js";

const COLUMNS = ["format", "as it is", "× scale", "after unscaling", "error"];

/**
 * @param {HTMLElement} section
 * @param {{catalogue: object[], change: (patch: object) => void}} context
 */
export function create(section, { catalogue, change }) {
  const formats = new Map(catalogue.map((format) => [format.name, format]));
  const slider = make("input", { type: "range", min: -MOST_SCALE, max: MOST_SCALE, step: 1, "data-scale": true });
  const shownScale = make("output", { class: "tabular" });
  const words = make("p", { class: "bits-sentence", "aria-live": "polite" });
  const body = make("tbody");
  section.append(
    make("header", {}, make("h2", {}, "Scale it")),
    make("p", { class: "quiet" },
      "A loss scaler multiplies the loss, and so every gradient, by a power of two, lets the format hold that, and divides it out again in float32."),
    make("label", { class: "bits-slider" }, "scale ", slider, shownScale),
    make("div", { class: "bits-scroll" },
      make("table", { class: "bits-table" },
        make("thead", {}, make("tr", {}, ...COLUMNS.map((column) => make("th", { scope: "col" }, column)))), body)),
    words,
  );
  slider.addEventListener("input", () => change({ scale: Number(slider.value) }));
  let last = null;

  return {
    update(state) {
      const key = ["exact", "formats", "focus", "rounding", "overflow", "seed", "scale"].map((field) => state[field]);
      if (last?.every((value, at) => value === key[at])) return;
      last = key;
      slider.value = String(state.scale);
      setText(shownScale, powerOfTwo(state.scale));
      slider.setAttribute("aria-valuetext", `2 to the power ${state.scale}`);
      const results = state.formats.map((name) => scaled(state, formats.get(name)));
      body.replaceChildren(...results.map((result) => row(result)));
      setText(words, story(state, scaled(state, formats.get(state.focus))));
    },
  };
}

/** What a format makes of the number by itself and of its multiple. */
function scaled(state, format) {
  const stored = (exact) => {
    const code = encoded(exact, state, format);
    return code === null ? null : decode(code, format);
  };
  const before = stored(state.exact);
  const during = stored(timesPowerOfTwo(state.exact, state.scale));
  // Unscaling happens in float32, but a power of two costs no digit there short of its ends.
  const after = during === null ? NaN : toNumber(timesPowerOfTwo(fromNumber(during.value), -state.scale));
  return { format, before, during, after, error: errors(state.exact, after) };
}

function row({ format, before, during, after, error }) {
  const cell = (decoded) =>
    make("td", { class: "tabular" }, decoded ? figure(decoded.value) : "no NaN", " ",
      decoded && decoded.kind !== "normal" ? make("span", { class: "bits-kind", "data-kind": decoded.kind }, decoded.kind) : "");
  const off = error === null ? "—" : error.absolute === 0 ? "exact" : percent(error.relative);
  return make("tr", {},
    make("th", { scope: "row" }, format.label), cell(before), cell(during),
    make("td", { class: "tabular" }, figure(after)), make("td", { class: "tabular" }, off));
}

/** The loss-scaling story of one number in the format in focus. */
function story(state, { format, before, during, after, error }) {
  if (!before || !during || state.exact.kind !== "finite" || !state.exact.n) return "";
  const lost = before.kind === "zero" ? "becomes 0" : before.kind === "subnormal" ? "is subnormal" : null;
  const by = `scaled by ${powerOfTwo(state.scale)}`;
  if (!state.scale) {
    if (lost) return `In ${format.label} ${state.text} ${lost}. Move the slider to the right until it comes back whole.`;
    return `In ${format.label} ${state.text} is ${before.kind}: it needs no scale. Try 1e-8.`;
  }
  if (during.kind === "infinity" || during.kind === "nan") {
    return `${by.replace("s", "S")}, ${state.text} is beyond ${format.label}'s largest value: this is the overflow that makes a scaler skip the step.`;
  }
  if (during.kind === "zero") return `${by.replace("s", "S")}, ${state.text} becomes 0 in ${format.label}, and nothing brings it back.`;
  const off = error?.absolute ? `${percent(error.relative)} off` : "exactly";
  return `In ${format.label} ${state.text} ${lost ?? "is normal"}; ${by} it is ${during.kind} and comes back as ${figure(after)}, ${off}.`;
}
