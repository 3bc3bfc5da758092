/** Every format on every device: native, emulated or missing, and how that is known. */

import { make } from "../shared/dom.js";

const EVIDENCE = {
  capability: "by what the device is",
  operation: "an operation was tried",
  measured: "measured",
  documented: "documented",
  definition: "by definition",
};

/** @param {HTMLElement} element @param {{labels: Record<string, string>}} context */
export function create(element, { labels }) {
  const body = make("tbody");
  const head = make("tr");
  element.append(
    make("header", {}, make("h2", {}, "Formats"), make("span", { class: "quiet" }, "who multiplies them, and how that is known")),
    make("div", { class: "hw-scroll" }, make("table", { class: "hw-table hw-formats" }, make("thead", {}, head), body)),
  );
  let shown = "";

  return {
    /** @param {object | null} result */
    update(result) {
      if (!result || JSON.stringify(result.formats) === shown) return;
      shown = JSON.stringify(result.formats);
      head.replaceChildren(...["format", "", "how that is known"].map((name) => make("th", { scope: "col" }, name)));
      const several = result.devices.length > 1;
      if (several) head.children[1].before(make("th", { scope: "col" }, "device"));
      body.replaceChildren(...alike(result.formats).map((rows) => line(rows, several, labels)));
    },
  };
}

/**
 * Formats of a device of which the same is said, together: one line for all that have no units, not fourteen.
 * @param {object[]} rows
 * @returns {object[][]} in the order of the first of each
 */
export function alike(rows) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.device, row.support, row.how, row.evidence, row.source]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

function line(rows, several, labels) {
  const [row] = rows;
  const device = several ? [make("td", { class: "tabular" }, row.device)] : [];
  return make("tr", { "data-formats": rows.map(({ format }) => format).join(" "), "data-device": row.device },
    make("th", { scope: "row" }, rows.map(({ format }) => labels[format] ?? format).join(", ")),
    ...device,
    make("td", {}, make("span", { class: "hw-support", "data-support": row.support }, row.support)),
    make("td", { class: "hw-how" }, row.how, " ", make("span", { class: "quiet", title: row.source }, `(${EVIDENCE[row.evidence]}: ${row.source})`)),
  );
}
