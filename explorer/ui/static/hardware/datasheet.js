/** What was measured beside what vendors print, and the table of what they print. */

import { make } from "../shared/dom.js";
import { bar } from "./bars.js";
import { digits, percent } from "./numbers.js";

const COLUMNS = ["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4"];

/** @param {HTMLElement} element @param {{sheets: object[], labels: Record<string, string>}} context */
export function create(element, { sheets, labels }) {
  const found = make("div");
  element.append(
    make("header", {}, make("h2", {}, "Against the datasheet")),
    found,
    make("p", { class: "hw-sparse" },
      "Vendors often print twice the rate that dense training can reach: with 2:4 sparsity two of every four weights are zero, " +
        "skipped and counted all the same. All figures here are dense, with float32 accumulation."),
    make("details", {}, make("summary", {}, make("h3", {}, `Dense peaks of ${sheets.length} accelerators, TFLOP/s`)), table(sheets)),
  );

  return {
    /** @param {object | null} result */
    update(result) {
      const sheet = result?.datasheet;
      if (!sheet) {
        const device = result?.devices.find((each) => each.device === result.device);
        found.replaceChildren(make("p", { class: "quiet" }, device
          ? `${device.name} is not in the table${device.type === "cpu" ? ": a CPU's peak depends on its clock under load, which no datasheet gives" : ""}.`
          : "Run the check to see this machine beside them."));
        return;
      }
      const most = Math.max(...sheet.formats.map((row) => row.sparse_tflops ?? row.peak_tflops));
      found.replaceChildren(
        make("p", {}, make("b", {}, sheet.name), make("span", { class: "quiet" }, ` ${sheet.source}`)),
        make("div", { class: "hw-bars hw-bars-wide" }, ...sheet.formats.flatMap((row) => [
          make("span", { class: "hw-name" }, labels[row.format] ?? row.format),
          bar({ value: row.measured_tflops, most, mark: row.peak_tflops, title: row.sentence }),
          make("span", { class: "tabular hw-figure" }, percent(row.share)),
          make("span", { class: "quiet hw-aside" }, row.sentence),
        ])),
        ...sheet.achieved_elsewhere.map((row) => make("p", { class: "quiet hw-note" },
          `Others reached ${digits(row.achieved_tflops)} TFLOP/s in ${row.format} (${percent(row.share)}) on a ${row.name}, at ${row.shape} (${row.source}).`)),
      );
    },
  };
}

function table(sheets) {
  const head = ["accelerator", "memory", "bandwidth", ...COLUMNS.map((name) => name.toUpperCase()), "2:4 sparse FP16", "source"];
  const cell = (value) => make("td", { class: "tabular" }, value === undefined || value === null ? "—" : String(value));
  return make("div", { class: "hw-scroll" }, make("table", { class: "hw-table hw-sheets" },
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...sheets.map((sheet) => make("tr", {},
      make("th", { scope: "row" }, sheet.name),
      cell(`${sheet.memory_gb} GB`),
      cell(`${sheet.bandwidth_gb_s.toLocaleString("en")} GB/s`),
      ...COLUMNS.map((name) => cell(sheet.dense_tflops[name])),
      cell(sheet.sparse_fp16),
      make("td", { class: "quiet" }, sheet.source))))));
}
