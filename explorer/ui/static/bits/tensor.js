/** A whole tensor against every format's window: what becomes zero, what overflows, and what a scale would save. */

import { make, setText } from "../shared/dom.js";
import { onTheme } from "../shared/palette.js";
import { quantizeNumber } from "../shared/quantize.js";
import { inBlocks } from "./block_tensor.js";
import { boundaries } from "./boundaries.js";
import { bestScale, shares } from "./distribution.js";
import { noise } from "./noise.js";
import { MOST_SCALE, random } from "./state.js";
import { draw, edges, FATES } from "./tensor_plot.js";
import * as source from "./tensor_source.js";
import * as table from "./tensor_table.js";
import { leftOut, share, story } from "./tensor_words.js";
import { figure, powerOfTwo } from "./words.js";

/** The noise takes a pass over all values: it waits until the slider rests, and then lets the page breathe. */
const NOISE_AFTER_MS = 40;
const NOISE_SLICE_MS = 10;

/**
 * @param {HTMLElement} section
 * @param {{catalogue: object[], blocks: object[], change: (patch: object) => void}} context
 */
export function create(section, { catalogue, blocks, change }) {
  const formats = new Map(catalogue.map((format) => [format.name, format]));
  const sourceBox = make("div", { class: "tensor-source" });
  const caption = make("p", { class: "quiet tensor-caption", "aria-live": "polite" });
  const canvas = make("canvas", { role: "img" });
  const slider = make("input", { type: "range", min: -MOST_SCALE, max: MOST_SCALE, step: 1, "data-tensor-scale": true });
  const scaleOut = make("output", { class: "tabular" });
  const words = make("p", { class: "bits-sentence", "aria-live": "polite" });
  const go = make("button", { type: "button", class: "tool tool-strong", "data-best": true });
  const back = make("button", { type: "button", class: "tool", "data-unscale": true }, "without a scale");
  const withBlocks = make("input", { type: "checkbox", "data-blocks": true });
  const tableBox = make("div", { class: "bits-scroll" });
  section.append(
    make("header", {}, make("h2", {}, "A whole tensor")),
    make("p", { class: "quiet" },
      "Most of a tensor's values lie within a few powers of two of each other. What lies left of a format's window ",
      "becomes 0, what lies right of it overflows; a scale moves the tensor, not the window."),
    sourceBox,
    make("div", { class: "tensor-body" },
      make("figure", { class: "tensor-figure" },
        make("div", { class: "tensor-canvas" }, canvas),
        make("ul", { class: "tensor-legend" }, ...FATES.map(legend)),
        make("label", { class: "bits-slider" }, "scale ", slider, scaleOut),
        caption),
      make("div", { class: "tensor-numbers" },
        make("div", { class: "tensor-story" }, words, make("div", { class: "tensor-buttons" }, go, back)),
        tableBox,
        make("p", { class: "quiet tensor-hint" }, "SQNR weighs each value by its square, so it hardly sees the small ones that become 0."),
        make("label", { class: "tensor-check" }, withBlocks, "block formats too, in blocks along the tensor"))),
  );

  /** @type {import("./tensor_source.js").Dataset} */
  let dataset;
  let state;
  let best = { scale: 0 };
  /** @type {Map<string, ReturnType<typeof boundaries>>} */
  let limits = new Map();
  const was = {};
  let timer = 0;
  const tables = table.create(tableBox, (name) => change({ focus: name }));
  const sources = source.create(
    sourceBox,
    catalogue,
    (next) => change({ tensor: { ...next, ...(withBlocks.checked && { blocks: 1 }) } }),
    (next) => (dataset = next),
  );

  slider.addEventListener("input", () => change({ scale: Number(slider.value) }));
  go.addEventListener("click", () => change({ scale: best.scale }));
  back.addEventListener("click", () => change({ scale: 0 }));
  withBlocks.addEventListener("change", () => {
    const { blocks: _, ...rest } = state.tensor ?? {};
    change({ tensor: withBlocks.checked ? { ...rest, blocks: 1 } : rest });
  });
  new ResizeObserver(() => state && paint()).observe(canvas.parentElement);
  onTheme(() => state && paint());

  /** Whether any of these differs from the last time it was asked under this name. */
  function changed(name, ...values) {
    const same = was[name]?.every((value, at) => value === values[at]);
    was[name] = values;
    return !same;
  }

  function refresh() {
    const { rounding, overflow, scale, seed } = state;
    const names = state.formats.join();
    const shownBlocks = state.tensor?.blocks ? blocks : [];
    if (changed("rows", names, shownBlocks.length)) tables.list(shown(), shownBlocks);
    if (changed("limits", names, rounding)) limits = new Map(shown().map((format) => [format.name, boundaries(format, rounding)]));
    if (!changed("all", dataset, names, shownBlocks.length, rounding, overflow, scale, seed, state.focus)) return;
    withBlocks.checked = shownBlocks.length > 0;
    slider.value = String(scale);
    slider.setAttribute("aria-valuetext", `2 to the power ${scale}`);
    setText(scaleOut, powerOfTwo(scale));
    setText(caption, `Shown: ${dataset.caption}.${leftOut(dataset.distribution)}`);
    for (const format of shown()) {
      const row = tables.row(format.name);
      row.shares(shares(dataset.distribution, limits.get(format.name), scale));
      row.mark(format === focused());
    }
    tell();
    paint();
    if (changed("noise", dataset, names, shownBlocks.length, rounding, overflow, scale, seed)) measureLater(shownBlocks);
  }

  const shown = () => state.formats.map((name) => formats.get(name)).filter(Boolean);
  const focused = () => formats.get(state.formats.includes(state.focus) ? state.focus : state.formats[0]);

  function tell() {
    const format = focused();
    const its = limits.get(format.name);
    if (changed("best", dataset, its, state.overflow)) best = bestScale(dataset.distribution, its, state.overflow);
    const now = shares(dataset.distribution, its, state.scale);
    const empty = !dataset.distribution.present;
    setText(words, empty ? "There is no finite value other than 0." : story(format, state.scale, now, best, state.overflow));
    go.hidden = empty || best.scale === state.scale;
    setText(go, `multiply by ${powerOfTwo(best.scale)}, the best for ${format.label}`);
    back.hidden = state.scale === 0;
    const what = `Histogram of log2 of ${dataset.caption}, times ${powerOfTwo(state.scale)}, over each format's window`;
    const fates = `${share(now.zeroed)} become 0, ${share(now.subnormal)} are subnormal, ${share(now.overflowed)} overflow`;
    canvas.setAttribute("aria-label", `${what}. ${format.label}: ${fates}.`);
  }

  function paint() {
    const saturate = state.overflow === "saturate";
    const rows = shown().map((format) => ({
      name: format.name,
      label: format.label,
      max: figure(format.max),
      edges: edges(limits.get(format.name).positive),
      beyond: saturate || !format.has_nan ? "max" : format.has_inf ? "∞" : "NaN",
    }));
    draw(canvas, { distribution: dataset.distribution, scale: state.scale, rows, focus: focused().name });
  }

  /** Round every value in every format, when the slider rests, in slices. */
  function measureLater(shownBlocks) {
    clearTimeout(timer);
    const rows = [...shown(), ...shownBlocks].map(({ name }) => tables.row(name));
    for (const row of rows) row.stale();
    if (!dataset.values) {
      for (const row of rows) row.unknown();
      return;
    }
    const work = measurements(dataset.values, state, shown(), shownBlocks);
    const slice = () => {
      const end = performance.now() + NOISE_SLICE_MS;
      while (performance.now() < end) if (work.next().done) return;
      timer = setTimeout(slice);
    };
    timer = setTimeout(slice, NOISE_AFTER_MS);
  }

  function* measurements(values, { rounding, overflow, seed, scale }, scalars, shownBlocks) {
    for (const format of scalars) {
      const draws = random(seed);
      const found = yield* noise(values, scale, (value) => quantizeNumber(value, format, rounding, overflow, draws));
      tables.row(format.name).noise(found);
    }
    const { present } = dataset.distribution;
    for (const format of shownBlocks) {
      const { rounded, tally } = inBlocks(values, scale, format, formats, { rounding, overflow, random: random(seed) });
      const found = yield* noise(values, scale, rounded);
      const row = tables.row(format.name);
      row.shares({ zeroed: found.zeroed, subnormal: tally.subnormal / present, overflowed: tally.cut / present });
      row.noise(found);
    }
  }

  return {
    /** @param {import("./state.js").State} next */
    update(next) {
      state = next;
      sources.update(state);
      refresh();
    },
  };
}

function legend([fate, , words]) {
  return make("li", {}, make("i", { "data-fate": fate, "aria-hidden": "true" }), words);
}
