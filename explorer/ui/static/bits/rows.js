/** The number in every shown format, a row each: its bits, what they are worth, and what was lost. */

import { decode } from "../shared/codec.js";
import { neighbours, ulp } from "../shared/encode.js";
import { make, setText } from "../shared/dom.js";
import { codeIn, errors, moved } from "./conversion.js";
import { createDetail } from "./detail.js";
import { figure, hexadecimal, percent } from "./words.js";

const COLUMNS = ["format", "sign · exponent · mantissa", "value", "kind", "error", "ulp", "code", "neighbours"];
/** Formats of more bits have narrower cells, so that a row stays on one line. */
const WIDE = 32;

/**
 * @param {HTMLElement} section
 * @param {{catalogue: import("../shared/codec.js").Format[], change: (patch: object) => void}} context
 */
export function create(section, context) {
  const head = make("div", { class: "bits-row bits-head", role: "row" });
  head.append(...COLUMNS.map((words) => make("span", { role: "columnheader" }, words)));
  const table = make("div", { class: "bits-rows", role: "table", "aria-label": "The number in each format" }, head);
  const detail = make("div", { class: "bits-detail" });
  section.append(table, detail);
  const showDetail = createDetail(detail);
  const rows = new Map(context.catalogue.map((format) => [format.name, makeRow(format, context)]));
  let shown = "";

  return {
    update(state) {
      if (shown !== state.formats.join()) {
        shown = state.formats.join();
        table.replaceChildren(head, ...state.formats.map((name) => rows.get(name).element));
      }
      for (const name of state.formats) rows.get(name).update(state);
      showDetail(state, context.catalogue.find((format) => format.name === state.focus));
    },
  };
}

function makeRow(format, { change }) {
  const element = make("div", { class: "bits-row", role: "row", "data-format": format.name });
  const name = make("button", { type: "button", class: "bits-name", title: "Show this format's details beneath" }, format.label);
  const strip = make("span", { class: "bits-strip", role: "group", "aria-label": `${format.label}: bits` });
  if (format.bits > WIDE) strip.classList.add("bits-narrow");
  const cells = makeCells(format);
  strip.append(...cells);
  const [value, kind, error, unit, code] = ["value", "kind", "off", "ulp", "code"].map((field) =>
    make("span", { role: "cell", class: `tabular bits-${field}` }),
  );
  const [back, forth] = [[-1, "◄", "below"], [1, "►", "above"]].map(([direction, sign, where]) =>
    make("button", { type: "button", class: "tool", "data-direction": direction, "aria-label": `${format.label}: the value ${where}` }, sign),
  );
  element.append(
    make("span", { role: "rowheader" }, name),
    make("span", { role: "cell", class: "bits-cells" }, strip),
    value, kind, error, unit, code,
    make("span", { role: "cell", class: "bits-steps" }, back, forth),
  );
  /** @type {import("./state.js").State | null} */
  let state = null;
  let now = null;
  let pattern = "";

  const go = (next) => next !== null && change({ code: { format: format.name, code: next } });
  name.addEventListener("click", () => change({ focus: format.name }));
  strip.addEventListener("click", (event) => {
    const at = cells.indexOf(event.target);
    if (at >= 0 && now !== null) go(now ^ (1n << BigInt(format.bits - 1 - at)));
  });
  strip.addEventListener("keydown", onKey);
  element.querySelector(".bits-steps").addEventListener("click", (event) => {
    const direction = Number(event.target.dataset.direction);
    if (direction) go(moved(state, format, direction, event.shiftKey));
  });

  /** One bit of the strip can be tabbed to; the arrows go on from there, and up and down change the value. */
  function onKey(event) {
    const at = cells.indexOf(document.activeElement);
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (step) {
      const to = Math.max(0, Math.min(cells.length - 1, at + step));
      cells[at].tabIndex = -1;
      cells[to].tabIndex = 0;
      cells[to].focus();
    } else if (direction) {
      go(moved(state, format, direction, event.shiftKey));
    } else return;
    event.preventDefault();
  }

  function update(next) {
    state = next;
    now = codeIn(state, format);
    element.toggleAttribute("data-focus", state.focus === format.name);
    name.setAttribute("aria-pressed", String(state.focus === format.name));
    element.toggleAttribute("data-unsayable", now === null);
    const bits = now === null ? "" : now.toString(2).padStart(format.bits, "0");
    if (bits !== pattern) {
      cells.forEach((cell, at) => bits[at] !== pattern[at] && paint(cell, bits[at]));
      pattern = bits;
    }
    if (now === null) {
      for (const cell of [kind, error, unit, code]) setText(cell, "");
      setText(value, `${format.label} has no NaN`);
      back.disabled = forth.disabled = true;
      return;
    }
    const decoded = decode(now, format);
    const off = errors(state.exact, decoded.value);
    const beside = neighbours(now, format);
    setText(value, figure(decoded.value));
    setText(kind, decoded.kind === "nan" ? "NaN" : decoded.kind);
    kind.dataset.kind = decoded.kind;
    setText(error, off === null ? "—" : off.absolute === 0 ? "exact" : percent(off.relative));
    error.title = off?.absolute ? `absolute error ${figure(off.absolute)}` : "";
    const spacing = ulp(now, format);
    setText(unit, spacing === null ? "—" : figure(spacing));
    setText(code, hexadecimal(now, format));
    back.disabled = beside.below === null;
    forth.disabled = beside.above === null;
  }

  return { element, update };
}

function makeCells(format) {
  const sign = format.signed ? 1 : 0;
  return Array.from({ length: format.bits }, (_, at) => {
    const field = at < sign ? "sign" : at < sign + format.exponent_bits ? "exponent" : "mantissa";
    return make("button", {
      type: "button",
      role: "switch",
      class: `bit bit-${field}`,
      tabindex: at ? -1 : 0,
      "aria-label": `bit ${format.bits - 1 - at}, ${field}`,
    });
  });
}

function paint(cell, bit) {
  setText(cell, bit ?? "");
  cell.setAttribute("aria-checked", String(bit === "1"));
  cell.disabled = bit === undefined;
}
