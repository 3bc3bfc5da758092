/** Comparing two results: the one that is shown, or files that are dropped, chosen or pasted. */

import { BadInput } from "../shared/bad-input.js";
import { make, setText } from "../shared/dom.js";
import { bar } from "./bars.js";
import { compared, nameOf, readResult } from "./comparison.js";
import { digits, rate, times } from "./numbers.js";

const FIGURES = {
  product: (value, name) => rate(value, name),
  memory: (value) => `${digits(value)} GB/s`,
  step: (value) => `${digits(value)} ms`,
};
const WORDS = { product: "products in", memory: "memory", step: "training step in" };

/** @param {HTMLElement} element @param {{labels: Record<string, string>}} context */
export function create(element, { labels }) {
  const table = make("div", { class: "hw-scroll", "data-compared": "" });
  const sides = ["first", "second"].map((name) => side(name, () => render()));
  element.append(
    make("header", {}, make("h2", {}, "Compare two results"), make("span", { class: "quiet" }, "drop, choose or paste what export or check --json gives")),
    make("div", { class: "hw-sides" }, ...sides.map((each) => each.element)),
    table,
  );

  function render() {
    const [first, second] = sides.map((each) => each.result);
    table.replaceChildren();
    if (!first || !second) return;
    const most = (kind) => Math.max(...compared(first, second).filter((row) => row.kind === kind).flatMap((row) => [row.first ?? 0, row.second ?? 0]));
    const cells = (value, row, index) =>
      value === null
        ? [make("td", { class: "quiet" }, "—"), make("td")]
        : [make("td", { class: "tabular" }, FIGURES[row.kind](value, row.name)), make("td", {}, bar({ value, most: most(row.kind), kind: index ? "second" : "" }))];
    table.append(
      make("table", { class: "hw-table hw-compared" },
        make("thead", {}, make("tr", {}, ...["", nameOf(first), "", nameOf(second), "", "second is"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...compared(first, second).map((row) => make("tr", { "data-row": `${row.kind}-${row.name}` },
          make("th", { scope: "row" }, `${WORDS[row.kind]} ${row.kind === "memory" ? row.name : (labels[row.name] ?? row.name)}`),
          ...cells(row.first, row, 0), ...cells(row.second, row, 1),
          make("td", { class: "tabular" }, row.ratio === null ? "—" : `${times(row.ratio)} as fast`))),
        make("tr", {}, make("th", { scope: "row" }, "advice"), ...[first, second].map((result) =>
          make("td", { colspan: 2 }, labels[result.advice?.recipe] ?? String(result.advice?.recipe ?? "—"))), make("td")))),
    );
  }

  return {
    /** @param {object | null} result @param {object | null} entry */
    update(result, entry) {
      for (const each of sides) each.offer(result, entry);
    },
  };
}

/** One of the two results and the ways to give it. */
function side(name, onChange) {
  const said = make("p", { class: "hw-side-name" });
  const error = make("p", { class: "hw-error", role: "alert" });
  const file = make("input", { type: "file", accept: ".json,application/json", class: "sr-only", "aria-label": `A file with the ${name} result` });
  const choose = make("button", { type: "button", class: "tool" }, "choose a file");
  const take = make("button", { type: "button", class: "tool", "data-take": "" }, "the one above");
  const pasted = make("textarea", { rows: 2, placeholder: "or paste the JSON here", "aria-label": `The ${name} result as JSON`, spellcheck: "false" });
  const element = make("div", { class: "hw-side", "data-side": name }, said, make("div", { class: "hw-side-tools" }, take, choose, file), pasted, error);
  let current = null;
  const state = { element, result: null, offer };

  function offer(result) {
    current = result?.matmul.length ? result : null;
    take.disabled = !current;
  }

  function give(result) {
    state.result = result;
    setText(error, "");
    setText(said, `${name === "first" ? "First" : "Second"}: ${nameOf(result)}`);
    onChange();
  }

  function read(text) {
    try {
      give(readResult(text));
    } catch (problem) {
      if (!(problem instanceof BadInput)) throw problem;
      setText(error, problem.message);
    }
  }

  setText(said, name === "first" ? "First" : "Second");
  take.disabled = true;
  take.addEventListener("click", () => current && give(current));
  choose.addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    if (file.files[0]) read(await file.files[0].text());
    file.value = "";
  });
  pasted.addEventListener("input", () => {
    if (pasted.value.trim()) read(pasted.value);
  });
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.toggleAttribute("data-over", true);
  });
  element.addEventListener("dragleave", () => element.removeAttribute("data-over"));
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    element.removeAttribute("data-over");
    const dropped = event.dataTransfer.files[0];
    read(dropped ? await dropped.text() : event.dataTransfer.getData("text"));
  });
  return state;
}
