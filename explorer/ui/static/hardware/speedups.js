/** What a format's kernels gain over float32's, beside what a training step gains: rarely the same. */

import { make } from "../shared/dom.js";
import { bar } from "./bars.js";
import { digits, times } from "./numbers.js";

/** @param {HTMLElement} element @param {{labels: Record<string, string>}} context */
export function create(element, { labels }) {
  const body = make("tbody");
  const note = make("p", { class: "quiet hw-note" });
  const head = ["recipe", "products", "", "training step", "", "ms a step"];
  element.append(
    make("header", {}, make("h2", {}, "Kernel and training speed-up"), make("span", { class: "quiet" }, "times as fast as FP32")),
    make("div", { class: "hw-scroll" },
      make("table", { class: "hw-table hw-speedups" }, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))), body)),
    note,
  );

  return {
    /** @param {object | null} result */
    update(result) {
      if (!result) return;
      const steps = new Map(result.training.map((row) => [row.recipe, row]));
      const most = Math.max(1, ...result.speedups.flatMap(({ kernel, training }) => [kernel ?? 0, training ?? 0]));
      body.replaceChildren(
        ...result.speedups.map((row) => {
          const emulated = row.support !== "native";
          const kernel = emulated ? make("span", { class: "hw-tag" }, row.support) : times(row.kernel);
          return make("tr", { "data-recipe": row.recipe },
            make("th", { scope: "row" }, labels[row.recipe] ?? row.recipe),
            make("td", { class: "tabular" }, kernel),
            make("td", {}, !emulated && row.kernel ? bar({ value: row.kernel, most, kind: "kernel" }) : ""),
            make("td", { class: "tabular" }, times(row.training)),
            make("td", {}, row.training ? bar({ value: row.training, most, kind: emulated ? "emulated" : "training" }) : ""),
            make("td", { class: "tabular" }, digits(steps.get(row.recipe).step_ms)),
          );
        }),
      );
      const first = result.training[0];
      note.textContent = first
        ? `A step is forward, backward and update of ${first.model}, ${digits(first.parameters)} parameters, batch ${first.batch_size} × ${first.sequence_length}. ` +
          "Products are only part of it, and small ones wait for their launch or their casts: larger models gain more."
        : "No training step was timed.";
    },
  };
}
