/** The bits panel: the traced scalar in every format a lane passes it through, a row a lane, grouped by role. */

import { decode, exact, fields, short } from "../shared/codec.js";
import { make, setText, swatch } from "../shared/dom.js";
import { sampleAt, sampledSteps } from "./run.js";

/** Roles in the order of a training step, with the words for each. */
const ROLES = [
  ["weight", "Weight, as the optimizer keeps it"],
  ["compute", "The same weight, as it is multiplied"],
  ["scaled_gradient", "Gradient, as backward gives it"],
  ["gradient", "Gradient, after unscaling"],
  ["update", "What the step adds to the weight"],
];
const FIELDS = ["sign", "exponent", "mantissa"];

/**
 * @param {HTMLElement} panel
 * @param {import("../shared/codec.js").Format[]} catalogue
 */
export function create(panel, catalogue) {
  const formats = new Map(catalogue.map((format) => [format.name, format]));
  const table = panel.querySelector(".bits-table");
  const slider = panel.querySelector("[data-sample]");
  const label = panel.querySelector("[data-sample-step]");
  const live = panel.querySelector("[data-live]");
  const [back, forth] = panel.querySelectorAll("[data-move]");
  const note = panel.querySelector(".panel-note");
  /** @type {import("./run.js").Run | null} */
  let run = null;
  let steps = [];
  /** Samples shown so far, of all lanes: the lanes of one step can come in one after the other. */
  let samples = 0;
  let following = true;
  let hidden = new Set();
  /** @type {Map<string, ReturnType<typeof makeRow>>} */
  let rows = new Map();

  slider.addEventListener("input", () => go(Number(slider.value)));
  back.addEventListener("click", () => go(Number(slider.value) - 1));
  forth.addEventListener("click", () => go(Number(slider.value) + 1));
  live.addEventListener("click", () => go(steps.length - 1, true));

  function go(position, follow = false) {
    following = follow;
    slider.value = String(Math.max(0, Math.min(position, steps.length - 1)));
    show();
  }

  function reset(next) {
    run = next;
    following = true;
    steps = [];
    samples = 0;
    rows = new Map();
    table.replaceChildren();
    const trace = run.started?.trace;
    const [name, index] = [trace?.parameter ?? "", trace?.index ? `[${trace.index.join(", ")}]` : ""];
    // Two elements: a long name is cut short, its index never.
    note.replaceChildren(make("span", {}, name), make("span", {}, index));
    note.title = name && `The one number that is followed: ${name}${index}`;
    for (const [role, words] of ROLES) {
      const lanes = run.lanes.map((lane, index) => ({ lane, index })).filter(({ lane }) => lane.formats?.[role]);
      if (!lanes.length) continue;
      const group = make("tbody", {}, make("tr", {}, make("th", { colspan: 4, scope: "rowgroup" }, words)));
      for (const { lane, index } of lanes) {
        const row = makeRow(lane, index, formats.get(lane.formats[role]));
        rows.set(`${index} ${role}`, row);
        group.append(row.element);
      }
      table.append(group);
    }
    applyHidden();
    show();
  }

  function update(next) {
    const sampled = next.lanes.reduce((sum, lane) => sum + lane.bits.length, 0);
    if (sampled === samples) return;
    samples = sampled;
    steps = sampledSteps(next);
    slider.max = String(Math.max(0, steps.length - 1));
    if (following) slider.value = slider.max;
    show();
  }

  function show() {
    const position = Number(slider.value);
    const step = steps[position];
    slider.disabled = back.disabled = forth.disabled = steps.length < 2;
    live.setAttribute("aria-pressed", String(following));
    setText(label, step === undefined ? "" : `step ${step}`);
    slider.setAttribute("aria-valuetext", label.textContent);
    if (!run || step === undefined) return;
    run.lanes.forEach((lane, index) => {
      const at = sampleAt(lane.bits, step);
      for (const [role] of ROLES) rows.get(`${index} ${role}`)?.show(lane.bits[at]?.[1][role], lane.bits[at - 1]?.[1][role]);
    });
  }

  function applyHidden() {
    for (const [key, row] of rows) row.element.hidden = hidden.has(Number(key.split(" ")[0]));
  }

  return {
    reset,
    update,
    hide(lanes) {
      hidden = lanes;
      applyHidden();
    },
    theme() {},
    empty: (current) => (current.lanes.some((lane) => lane.bits.length) ? "" : null),
    summary(current) {
      const step = steps[Number(slider.value)];
      if (step === undefined) return "";
      const of = (lane) => {
        const sample = lane.bits[sampleAt(lane.bits, step)]?.[1] ?? {};
        const values = ROLES.filter(([role]) => sample[role] !== undefined && formats.has(lane.formats[role]));
        const words = ([role]) =>
          `${role.replace("_", " ")} ${short(decode(sample[role], formats.get(lane.formats[role])).value)}`;
        return `${lane.name}: ${values.map(words).join(", ")}.`;
      };
      return `At step ${step}. ${current.lanes.map(of).join(" ")}`;
    },
  };
}

/** One row: a lane's swatch, the format, a cell a bit, the value. */
function makeRow(lane, index, format) {
  const name = make("td", { class: "bits-lane", title: lane.name }, swatch(index), make("span", { class: "sr-only" }, lane.name));
  const kind = make("td", { class: "bits-format" }, format?.label ?? "");
  const strip = make("span", { class: "bits-strip", role: "img" });
  const value = make("td", { class: "bits-value" });
  const element = make("tr", {}, name, kind, make("td", {}, strip), value);
  const cells = [];
  if (format) {
    const widths = { sign: format.signed ? 1 : 0, exponent: format.exponent_bits, mantissa: format.mantissa_bits };
    for (const field of FIELDS) {
      for (let bit = 0; bit < widths[field]; bit++) {
        const cell = make("i", { class: `bit bit-${field}`, "aria-hidden": "true" });
        cells.push(cell);
        strip.append(cell);
      }
    }
  }
  let drawn;
  let compared;

  /**
   * @param {number | undefined} code
   * @param {number | undefined} before the code of the sample before, which tells which bits flipped
   */
  function show(code, before) {
    if (!format || (code === drawn && before === compared)) return;
    [drawn, compared] = [code, before];
    if (code === undefined || code === null) {
      for (const cell of cells) {
        setText(cell, "");
        cell.classList.remove("flipped");
      }
      setText(value, "—");
      strip.removeAttribute("aria-label");
      return;
    }
    const parts = fields(code, format);
    const bits = parts.sign + parts.exponent + parts.mantissa;
    const old = before === undefined || before === null ? bits : before.toString(2).padStart(format.bits, "0");
    cells.forEach((cell, at) => {
      setText(cell, bits[at]);
      cell.classList.toggle("flipped", bits[at] !== old[at]);
    });
    const decoded = decode(code, format);
    setText(value, short(decoded.value));
    value.title = `${exact(decoded.value)} (${decoded.kind}), code 0x${code.toString(16)}`;
    value.dataset.kind = decoded.kind;
    strip.setAttribute("aria-label", `sign ${parts.sign}, exponent ${parts.exponent}, mantissa ${parts.mantissa}`);
  }

  return { element, show };
}
