/** Where casts disagree: what the standard, ml_dtypes and torch each make of the same number, as the tests prove it. */

import { make } from "../shared/dom.js";

const COLUMNS = ["cast to", "of", "for example", "standard", "ml_dtypes", "torch", "why"];
/** Longer values are given by their code alone. */
const LONGEST = 14;

/**
 * @param {HTMLElement} section
 * @param {{catalogue: object[], casts: object[], change: (patch: object) => void}} context
 */
export function create(section, { catalogue, casts, change }) {
  const labels = new Map(catalogue.map(({ name, label }) => [name, label]));
  const rows = casts.map((entry) => {
    const example = make("button", { type: "button", class: "tool tabular", title: "Show this number above" }, written(entry.given));
    example.addEventListener("click", () => {
      change({ code: { format: entry.source, code: BigInt(entry.given.hex) } });
      scrollTo({ top: 0 });
    });
    const result = (number) => make("td", { class: "tabular" }, number ? written(number) : "—");
    return make("tr", {},
      make("th", { scope: "row" }, labels.get(entry.format)),
      make("td", {}, entry.inputs),
      make("td", {}, example, " ", make("span", { class: "quiet" }, labels.get(entry.source))),
      ...[entry.standard, entry.ml_dtypes, entry.torch].map(result),
      make("td", { class: "bits-why" }, entry.sentence, " ", make("span", { class: "quiet" }, entry.reference)));
  });
  section.append(
    make("details", {},
      make("summary", {}, make("h2", {}, "Where casts disagree")),
      make("p", { class: "quiet" },
        "Libraries differ in what they make of some numbers. This page follows the standards; each line was found by performing the casts, with the versions that this app is tested with."),
      make("div", { class: "bits-scroll" },
        make("table", { class: "bits-table" },
          make("thead", {}, make("tr", {}, ...COLUMNS.map((words) => make("th", { scope: "col" }, words)))),
          make("tbody", {}, ...rows)))),
  );
  return { update() {} };
}

/** A number by its value, and by its code where the value is long or is NaN, of which there are many. */
function written({ hex, exact }) {
  if (exact === "nan") return `NaN ${hex}`;
  return exact.length > LONGEST ? hex : exact.replace("-", "−").replace("inf", "∞");
}
