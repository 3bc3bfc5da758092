/** The Bits page: holds its state, hands it to the sections, and keeps the address a link that restores it. */

import { decode, exact as decimal } from "../shared/codec.js";
import { copyFor, make, setText } from "../shared/dom.js";
import { BadInput, fromNumber, parse } from "../shared/rational.js";
import * as blocks from "./blocks.js";
import * as casts from "./casts.js";
import { moved } from "./conversion.js";
import * as line from "./line.js";
import * as rows from "./rows.js";
import * as scale from "./scale.js";
import { DEFAULTS, OVERFLOWS, ROUNDINGS, readLink, writeLink } from "./state.js";
import * as tensor from "./tensor.js";

const SECTIONS = { rows, line, scale, blocks, tensor, casts };
/** Sections further from the window than this are brought up to date when they come near. */
const NEAR = "100px";
/** Browsers refuse more than about a hundred changes of the address in half a minute. */
const ADDRESS_AFTER_MS = 300;
/** Longer decimal expansions are given as the code. */
const LONGEST_DECIMAL = 26;

const EXAMPLES = ["0.1", "0.0001", "0.00001", "0.01024", "1e-8", "65504", "65520", "448", "2^-14", "nan"];

/**
 * @param {HTMLElement} element
 * @param {{catalogue: object[], blocks: object[], casts: object[]}} props
 */
export function mount(element, props) {
  const root = element.querySelector(".bits");
  const part = (selector) => root.querySelector(selector);
  const formats = new Map(props.catalogue.map((format) => [format.name, format]));
  const input = part("[data-number]");
  const context = { catalogue: props.catalogue, blocks: props.blocks, casts: props.casts, change };
  let refused = "";
  let state = opened();
  let timer = 0;

  for (const [select, pairs, field] of [["[data-rounding]", ROUNDINGS, "rounding"], ["[data-overflow]", OVERFLOWS, "overflow"]]) {
    part(select).append(...pairs.map(([value, words]) => make("option", { value }, words)));
    part(select).addEventListener("change", (event) => change({ [field]: event.target.value }));
  }
  part(".bits-examples").append(
    ...EXAMPLES.map((text) => make("button", { type: "button", class: "tool tabular", "data-example": text }, text)),
  );
  part(".bits-examples").addEventListener("click", (event) => {
    if (event.target.dataset.example) change({ text: event.target.dataset.example });
  });
  const chips = props.catalogue.map((format) => {
    const chip = make("button", { type: "button", class: "tool", "data-format": format.name }, format.label);
    chip.addEventListener("click", () => toggle(format.name));
    return chip;
  });
  part(".bits-formats").append(...chips);
  input.addEventListener("input", () => change({ text: input.value }));
  input.addEventListener("keydown", onArrow);
  part("[data-roll]").addEventListener("click", () => change({ seed: (state.seed + 1) % 1_000_000_000 }));
  part("[data-copy-link]").addEventListener("click", copyLink);

  const sections = Object.entries(SECTIONS).map(([name, module], index) => {
    const section = part(`[data-section=${name}]`);
    // The first is what the page opens with; of the others the observer tells at once which can be seen.
    return { section, near: index === 0, stale: true, ...module.create(section, context) };
  });
  const observer = new IntersectionObserver(onSeen, { rootMargin: NEAR });
  for (const { section } of sections) observer.observe(section);
  update();
  complain(refused);

  function onSeen(entries) {
    for (const { target, isIntersecting } of entries) {
      const found = sections.find(({ section }) => section === target);
      found.near = isIntersecting;
      if (found.near && found.stale) show(found);
    }
  }

  /** The state that the address asks for. */
  function opened() {
    const asked = readLink(new URLSearchParams(location.search), [...formats.keys()]);
    try {
      return { ...asked, ...understood(asked.text, asked.focus) };
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      refused = error.message;
      return { ...asked, ...understood(DEFAULTS.text, asked.focus) };
    }
  }

  function understood(text, focus) {
    const { exact, code } = parse(text, formats.get(focus));
    return { text, exact, code: code === undefined ? null : { format: focus, code } };
  }

  /** Take a change of the state: all of it, or where a text cannot be understood none of it. */
  function change(patch) {
    const next = { ...state, ...patch };
    if (patch.code) {
      const format = formats.get(patch.code.format);
      const value = decode(patch.code.code, format).value;
      if (!next.formats.includes(format.name)) next.formats = inOrder([...next.formats, format.name]);
      Object.assign(next, { exact: fromNumber(value), focus: format.name, text: written(value, patch.code, format) });
    } else if (patch.text !== undefined) {
      try {
        Object.assign(next, understood(patch.text, next.focus));
      } catch (error) {
        if (!(error instanceof BadInput)) throw error;
        complain(error.message);
        return;
      }
    }
    state = next;
    update();
  }

  /** A code's value as text that means exactly that value; the code itself where it is no short decimal. */
  function written(value, { code }, format) {
    const text = decimal(value).replaceAll("−", "-");
    const plain = Number.isFinite(value) && text.length <= LONGEST_DECIMAL;
    return plain ? text : `0x${code.toString(16).toUpperCase().padStart(Math.ceil(format.bits / 4), "0")}`;
  }

  function complain(sentence) {
    setText(part("#bits-error"), sentence);
    input.setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  function update() {
    complain("");
    // What a person is typing stays as it is: "1." means the number that "1" means.
    if (input.value !== state.text) input.value = state.text;
    part("[data-rounding]").value = state.rounding;
    part("[data-overflow]").value = state.overflow;
    part("[data-roll]").hidden = state.rounding !== "stochastic";
    for (const chip of chips) chip.setAttribute("aria-pressed", String(state.formats.includes(chip.dataset.format)));
    for (const each of sections) show(each);
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(history.state, "", location.pathname + writeLink(state)), ADDRESS_AFTER_MS);
  }

  function show(section) {
    section.stale = !section.near;
    if (section.near) section.update(state);
  }

  function inOrder(names) {
    return [...formats.keys()].filter((name) => names.includes(name));
  }

  /** Show a format or not; one at least stays. */
  function toggle(name) {
    const shown = new Set(state.formats);
    if (!shown.delete(name)) shown.add(name);
    if (!shown.size) return;
    const next = inOrder([...shown]);
    change({ formats: next, focus: shown.has(state.focus) ? state.focus : next[0] });
  }

  function onArrow(event) {
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const code = moved(state, formats.get(state.focus), direction, event.shiftKey);
    if (code !== null) change({ code: { format: state.focus, code } });
  }

  function copyLink(event) {
    return copyFor(event.target, new URL(location.pathname + writeLink(state), location.href).href);
  }
}
