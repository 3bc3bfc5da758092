/** The table of what each format loses of a tensor: shares at once, the noise of rounding a moment later. */

import { make, setText } from "../shared/dom.js";
import { decibels, share } from "./tensor_words.js";

const COLUMNS = [
  ["format", ""],
  ["become 0", "of the values other than 0"],
  ["subnormal", "stored with fewer digits than the format has"],
  ["overflow", "beyond the largest value: becomes ∞, NaN or that value, as chosen above"],
  ["SQNR", "Signal-to-quantization-noise ratio: 10 log₁₀ of Σx² over Σ(x − q)², where q is x rounded. 6 dB are one bit."],
];

/**
 * @param {HTMLElement} element
 * @param {(name: string) => void} focus
 */
export function create(element, focus) {
  const body = make("tbody");
  element.append(
    make("table", { class: "bits-table tensor-table" },
      make("thead", {}, make("tr", {}, ...COLUMNS.map(([name, title]) => make("th", { scope: "col", title }, name)))), body),
  );
  /** @type {Map<string, ReturnType<typeof makeRow>>} */
  let rows = new Map();

  return {
    /**
     * The formats that have a row.
     * @param {object[]} formats
     * @param {object[]} blocks
     */
    list(formats, blocks) {
      rows = new Map();
      for (const format of formats) rows.set(format.name, makeRow(format, focus));
      for (const format of blocks) rows.set(format.name, makeRow(format, null));
      body.replaceChildren(...[...rows.values()].map(({ element: row }) => row));
    },
    row: (name) => rows.get(name),
  };
}

function makeRow(format, focus) {
  const title = "Colour the histogram by this format";
  const name = focus
    ? make("button", { type: "button", class: "bits-name", title }, format.label)
    : make("span", { class: "tensor-block" }, format.label);
  if (focus) name.addEventListener("click", () => focus(format.name));
  const cells = ["zeroed", "subnormal", "overflowed", "noise"].map((kind) => make("td", { class: "tabular", "data-cell": kind }, "…"));
  const [zeroed, subnormal, overflowed, noise] = cells;
  if (!focus) {
    subnormal.title = "of the elements, which are values over their block's scale";
    overflowed.title = "beyond the largest element that the block has, and cut to it";
  }
  const why = make("span", { class: "tensor-why" });
  const number = make("span", {}, "…");
  noise.replaceChildren(number, " ", why);
  const element = make("tr", { "data-format": format.name }, make("th", { scope: "row" }, name), ...cells);

  // A block format has nothing to say before every value has been rounded.
  const slow = focus ? [noise] : cells;
  let unsigned = 0;

  function put(cell, part) {
    setText(cell, share(part));
    cell.toggleAttribute("data-lost", part > 0);
  }

  return {
    element,
    /** @param {import("./distribution.js").Shares} shares */
    shares(shares) {
      put(zeroed, shares.zeroed);
      put(overflowed, shares.overflowed);
      setText(subnormal, share(shares.subnormal));
      unsigned = shares.unsigned ?? 0;
    },
    /** What was shown is of values before. */
    stale() {
      for (const each of slow) each.setAttribute("data-stale", "");
    },
    /** Only a histogram is known: which value lies beside which, and how each is rounded, is not. */
    unknown() {
      if (!focus) for (const cell of [zeroed, subnormal, overflowed]) setText(cell, "—");
      setText(number, "—");
      setText(why, "only a histogram was recorded");
      for (const each of slow) each.removeAttribute("data-stale");
    },
    /** @param {import("./noise.js").Noise} found */
    noise(found) {
      const { value, why: reason } = decibels(found, unsigned);
      setText(number, value);
      setText(why, reason);
      for (const each of slow) each.removeAttribute("data-stale");
    },
    mark(focused) {
      element.toggleAttribute("data-focus", focused);
      if (focus) name.setAttribute("aria-pressed", String(focused));
    },
  };
}
