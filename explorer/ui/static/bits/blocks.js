/** One block of a block format: numbers that share a scale, and what that makes of each of them. */

import { fields } from "../shared/codec.js";
import { make, setText } from "../shared/dom.js";
import { createCells } from "./block_cells.js";
import { createChart } from "./block_chart.js";
import { partsOf, tensorAmaxOf, tensorScaleFor } from "./block_codec.js";
import { normalNumbers, plainNumbers, readBlock, shortened } from "./block_state.js";
import { inWords, rootMeanSquare, scaleWords, story } from "./block_story.js";
import { random } from "./state.js";
import { hexadecimal } from "./words.js";

const OUTLIER = 1000;
/** Ends of the first number's slider, as powers of ten. */
const SLIDER = { min: -3, max: 6, step: 0.05 };
const LEGEND = [
  ["given", "given: drag to change"],
  ["became", "became"],
  ["cut", "cut at the largest"],
  ["lost", "nearest to 0"],
  ["grid", "values that the block has"],
];

/**
 * @param {HTMLElement} section
 * @param {{catalogue: object[], blocks: import("./block_codec.js").BlockFormat[], change: (patch: object) => void}} context
 */
export function create(section, { catalogue, blocks, change }) {
  const scalars = new Map(catalogue.map((format) => [format.name, format]));
  const button = (words, act, attributes = {}) => {
    const element = make("button", { type: "button", class: "tool", ...attributes }, words);
    element.addEventListener("click", act);
    return element;
  };
  const select = make("select", { "aria-label": "Block format" }, ...blocks.map(({ name, label }) => make("option", { value: name }, label)));
  const kinds = {
    linear: button("linear", () => put({ linear: true }), { "aria-label": "Linear axis" }),
    log: button("log₂ |x|", () => put({ linear: undefined }), { "aria-label": "Axis of powers of two" }),
  };
  const slider = make("input", { type: "range", ...SLIDER });
  const size = make("output", { class: "tabular" });
  const elsewhere = make("input", { type: "range", ...SLIDER, "data-elsewhere": true });
  const rest = make("output", { class: "tabular" });
  const restRow = make("label", { class: "bits-slider" }, "largest number in the rest of the tensor ", elsewhere, rest);
  const words = make("p", { class: "bits-sentence", "aria-live": "polite" });
  const complaint = make("p", { class: "bits-error", role: "alert" });
  const facts = make("dl", { class: "block-facts" });
  const chart = createChart(onDrag);
  const cells = createCells(setNumber, (sentence) => setText(complaint, sentence));
  section.append(
    make("header", {}, make("h2", {}, "A block that shares a scale"), select,
      make("span", { class: "line-group", role: "group", "aria-label": "Axis of the bars" }, ...Object.values(kinds))),
    words,
    chart.element,
    make("p", { class: "block-legend quiet" }, ...LEGEND.map(([name, words]) =>
      make("span", {}, make("i", { class: `block-sample-${name}`, "aria-hidden": "true" }), words))),
    make("div", { class: "bits-choices" },
      button("make the first one an outlier (×1000)", () => setNumber(0, shortened(shown.numbers[0] * OUTLIER || OUTLIER))),
      button("normal numbers", () => put({ values: normalNumbers(++sample), elsewhere: undefined })),
      button("reset", () => put({ values: undefined, elsewhere: undefined }))),
    make("label", { class: "bits-slider" }, "size of the first number ", slider, size),
    restRow, facts, complaint, cells.element);
  /** @type {ReturnType<typeof readBlock> | null} */
  let shown = null;
  let block = {};
  let sample = 1;
  let drawn = [];

  select.addEventListener("change", () => put({ format: select.value }));
  slider.addEventListener("input", () => {
    const sign = shown.numbers[0] < 0 ? -1 : 1;
    setNumber(0, sign * shortened(10 ** slider.value));
  });
  elsewhere.addEventListener("input", () => {
    const value = Number(elsewhere.value);
    put({ elsewhere: value > SLIDER.min ? shortened(10 ** value) : undefined });
  });

  /** Change a part of what the link keeps; `undefined` leaves it at its default. */
  function put(patch) {
    const next = Object.entries({ ...block, ...patch }).filter(([, value]) => value !== undefined);
    change({ block: Object.fromEntries(next) });
  }

  function setNumber(at, x) {
    const numbers = [...shown.numbers];
    numbers[at] = x;
    put({ values: plainNumbers(numbers) });
  }

  /** A bar was dragged, or, where `at` is null, let go: the picture then finds its range anew. */
  function onDrag(at, x) {
    if (at !== null) setNumber(at, x);
    else put({});
  }

  return {
    update(state) {
      const key = [state.block, state.rounding, state.overflow, state.seed];
      if (key.every((each, at) => each === drawn[at])) return;
      drawn = key;
      block = state.block && typeof state.block === "object" ? state.block : {};
      shown = readBlock(block, blocks);
      const formats = { block: shown.format, element: scalars.get(shown.format.element), scale: scalars.get(shown.format.scale) };
      const numbers = shown.numbers.slice(0, shown.format.block_size);
      const tensorScale = shown.format.has_tensor_scale
        ? tensorScaleFor(tensorAmaxOf([...numbers, shown.elsewhere], state.overflow), formats.element, formats.scale)
        : undefined;
      const { rounding, overflow, seed } = state;
      const parts = partsOf(numbers, formats, { rounding, overflow, random: random(seed), tensorScale });
      const sentence = story(parts, formats);
      select.value = shown.format.name;
      kinds.linear.setAttribute("aria-pressed", String(!shown.log));
      kinds.log.setAttribute("aria-pressed", String(shown.log));
      showSlider(slider, size, numbers[0]);
      restRow.hidden = !shown.format.has_tensor_scale;
      showSlider(elsewhere, rest, shown.elsewhere);
      setText(words, sentence);
      chart.update(parts, formats, shown.log, sentence);
      showFacts(facts, parts, formats);
      cells.update(parts, formats);
    },
  };
}

function showSlider(slider, output, x) {
  const power = Math.min(Math.max(Math.log10(Math.abs(x)) || 0, SLIDER.min), SLIDER.max);
  if (Math.abs(slider.value - power) > SLIDER.step / 2) slider.value = String(power);
  setText(output, inWords(x));
  slider.setAttribute("aria-valuetext", output.textContent);
}

function showFacts(list, parts, { block, element, scale }) {
  const { sign, exponent, mantissa } = fields(parts.scaleCode, scale);
  const code = make("span", { class: "block-bits" },
    make("i", { class: "block-sign" }, sign), make("i", { class: "block-exponent" }, exponent), make("i", { class: "block-mantissa" }, mantissa));
  const power = scaleWords(parts, scale);
  const worth = inWords(parts.scale);
  const rows = [
    ["largest magnitude (amax)", [inWords(parts.amax)]],
    [`scale (${scale.label})`, [power === worth ? worth : `${power} = ${worth}`, " ", code, ` ${hexadecimal(parts.scaleCode, scale)}`]],
    ["tensor scale (float32)", parts.tensorScale === null ? [] : [inWords(parts.tensorScale)]],
    ["values", [`from ${inWords(parts.step * element.smallest_subnormal)} to ${inWords(parts.step * element.max)}`]],
    ["root mean square error", [inWords(Number(rootMeanSquare(parts).toPrecision(3)))]],
    ["bits a number", [`${block.bits_per_value}, with its share of the scale`]],
  ];
  const present = rows.filter(([, content]) => content.length);
  list.replaceChildren(...present.flatMap(([term, content]) => [make("dt", {}, term), make("dd", {}, ...content)]));
}
