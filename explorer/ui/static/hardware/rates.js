/** How fast matrices are multiplied in each format, beside the datasheet's dense peak where there is one. */

import { make } from "../shared/dom.js";
import { bar } from "./bars.js";
import { percent, rate, shape } from "./numbers.js";

/** @param {HTMLElement} element @param {{labels: Record<string, string>}} context */
export function create(element, { labels }) {
  const body = make("div", { class: "hw-bars" });
  const note = make("p", { class: "quiet hw-note" });
  element.append(make("header", {}, make("h2", {}, "Matrix products"), make("span", { class: "quiet" }, "fastest call, operations a second")), body, note);

  return {
    /** @param {object | null} result */
    update(result) {
      if (!result) return;
      const peaks = new Map((result.datasheet?.formats ?? []).map((row) => [row.format, row]));
      const most = Math.max(1e-9, ...result.matmul.map((row) => Math.max(row.gflops, 1000 * (peaks.get(row.format)?.peak_tflops ?? 0))));
      body.replaceChildren(...result.matmul.flatMap((row) => line(row, peaks.get(row.format), most, labels)));
      if (!result.matmul.length) body.append(make("p", { class: "quiet" }, "Not measured."));
      const slow = result.matmul.filter((row) => row.support === "emulated").map((row) => labels[row.format] ?? row.format);
      const marked = peaks.size ? " The line is the datasheet's dense peak." : "";
      note.textContent = slow.length
        ? `${slow.join(" and ")}: PyTorch's own kernels, shown for comparison. Recipes here multiply in float32 instead.${marked}`
        : `Found by a search over shapes, caches flushed before each call.${marked}`;
    },
  };
}

function line(row, peak, most, labels) {
  const words = `median ${rate(row.median_gflops, row.format)} over ${row.calls} calls; best of ${row.shapes} shapes; ${row.accumulate}`;
  return [
    make("span", { class: "hw-name" }, labels[row.format] ?? row.format),
    bar({ value: row.gflops, most, mark: peak ? 1000 * peak.peak_tflops : null, kind: row.support === "emulated" ? "emulated" : "", title: words }),
    make("span", { class: "tabular hw-figure", "data-rate": row.format }, rate(row.gflops, row.format)),
    make("span", { class: "quiet tabular hw-aside", title: words }, peak ? `${percent(peak.share)} of peak` : shape(row.shape)),
  ];
}
