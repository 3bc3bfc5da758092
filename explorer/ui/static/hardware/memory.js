/** How fast numbers are moved and cast. */

import { make } from "../shared/dom.js";
import { bar } from "./bars.js";
import { digits, percent } from "./numbers.js";

/** @param {HTMLElement} element @param {{labels: Record<string, string>}} context */
export function create(element, { labels }) {
  const body = make("div", { class: "hw-bars" });
  const label = (name) => labels[name] ?? name;
  element.append(make("header", {}, make("h2", {}, "Memory and casts"), make("span", { class: "quiet" }, "GB read and written a second")), body);

  return {
    /** @param {object | null} result */
    update(result) {
      if (!result) return;
      const { bandwidth, casts, datasheet } = result;
      const most = Math.max(1e-9, bandwidth?.gb_per_s ?? 0, ...casts.map((row) => row.gb_per_s));
      const lines = casts.flatMap((row) => [
        make("span", { class: "hw-name" }, `${label(row.from)} → ${label(row.to)}`),
        bar({ value: row.gb_per_s, most, kind: "cast" }),
        make("span", { class: "tabular hw-figure" }, `${digits(row.gb_per_s)} GB/s`),
        make("span", { class: "quiet tabular hw-aside" }, `${digits(row.gvalues_per_s)} G values/s`),
      ]);
      if (bandwidth) {
        const share = datasheet?.bandwidth_share;
        lines.unshift(
          make("span", { class: "hw-name" }, "copy"),
          bar({ value: bandwidth.gb_per_s, most, kind: "copy" }),
          make("span", { class: "tabular hw-figure", "data-copy": "" }, `${digits(bandwidth.gb_per_s)} GB/s`),
          make("span", { class: "quiet tabular hw-aside" }, share ? `${percent(share)} of ${datasheet.bandwidth_gb_s} GB/s` : ""),
        );
      }
      body.replaceChildren(...(lines.length ? lines : [make("p", { class: "quiet" }, "Not measured.")]));
    },
  };
}
