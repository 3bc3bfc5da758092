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
        if (role === "compute") group.append(scaleRow(index, lane));
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
      const [now, before] = [lane.bits[at]?.[1] ?? {}, lane.bits[at - 1]?.[1] ?? {}];
      const factor = showScale(index, lane, now, before);
      for (const [role] of ROLES) {
        rows.get(`${index} ${role}`)?.show(now[role], before[role], role === "compute" ? factor : 1);
      }
    });
  }

  /** A place for the scale of a lane's element; filled once a sample has one, for its format is known only then. */
  function scaleRow(index, lane) {
    const place = make("tr", { hidden: true });
    rows.set(`${index} scale`, { element: place, lane, show() {} });
    return place;
  }

  /** Show what an element is multiplied by; the number that comes to. */
  function showScale(index, lane, now, before) {
    const format = formats.get(now.compute_scale_format);
    let row = rows.get(`${index} scale`);
    if (!row || !format) return 1;
    if (!row.format) {
      row = { ...makeRow(lane, index, format, "× "), lane, format };
      rows.get(`${index} scale`).element.replaceWith(row.element);
      rows.set(`${index} scale`, row);
      applyHidden();
    }
    row.show(now.compute_scale_code, before.compute_scale_code, 1);
    const tensor = now.compute_tensor_scale ?? 1;
    const few = (value) => value.toPrecision(3).replaceAll("-", "−");
    // Beside the element, whose few bits leave room for it.
    const more = [`amax ${few(now.compute_amax)}`, ...(tensor === 1 ? [] : [`tensor scale ${few(tensor)}`])];
    setText(rows.get(`${index} compute`).more, more.join(", "));
    return decode(now.compute_scale_code, format).value * tensor;
  }

  function applyHidden() {
    for (const [key, row] of rows) {
      const nothing = key.endsWith(" scale") && !row.format;
      row.element.hidden = nothing || hidden.has(Number(key.split(" ")[0]));
    }
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
        const value = (role) => decode(sample[role], formats.get(lane.formats[role])).value;
        const scaled = formats.get(sample.compute_scale_format);
        const scale = scaled ? ` times ${short(decode(sample.compute_scale_code, scaled).value)}` : "";
        const words = ([role]) => `${role.replace("_", " ")} ${short(value(role))}${role === "compute" ? scale : ""}`;
        return `${lane.name}: ${values.map(words).join(", ")}.`;
      };
      return `At step ${step}. ${current.lanes.map(of).join(" ")}`;
    },
  };
}

/** One row: a lane's swatch, the format (of a scale behind a sign for that), a cell a bit, the value. */
function makeRow(lane, index, format, sign = "") {
  const name = make("td", { class: "bits-lane", title: lane.name }, swatch(index), make("span", { class: "sr-only" }, lane.name));
  const kind = make("td", { class: "bits-format" }, sign ? sign + format.label.replace(/^FP\d+ /, "") : (format?.label ?? ""));
  const strip = make("span", { class: "bits-strip", role: "img" });
  const value = make("td", { class: "bits-value" });
  const more = make("span", { class: "bits-more" });
  const element = make("tr", {}, name, kind, make("td", {}, strip, more), value);
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
  let multiplied;

  /**
   * @param {number | undefined} code
   * @param {number | undefined} before the code of the sample before, which tells which bits flipped
   * @param {number} factor what the decoded number is multiplied by
   */
  function show(code, before, factor) {
    if (!format || (code === drawn && before === compared && factor === multiplied)) return;
    [drawn, compared, multiplied] = [code, before, factor];
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
    setText(value, short(decoded.value * factor));
    const times = factor === 1 ? "" : ` times ${exact(factor)}`;
    value.title = `${exact(decoded.value)}${times} (${decoded.kind}), code 0x${code.toString(16)}`;
    value.dataset.kind = decoded.kind;
    strip.setAttribute("aria-label", `sign ${parts.sign}, exponent ${parts.exponent}, mantissa ${parts.mantissa}`);
  }

  return { element, more, show };
}
