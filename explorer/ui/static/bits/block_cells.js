/** The numbers of a block, a cell each: what was given, to be typed over, what it became, and its bits. */

import { exact, fields } from "../shared/codec.js";
import { make, setText } from "../shared/dom.js";
import { BadInput, parse, toNumber } from "../shared/rational.js";
import { fateOf, inWords } from "./block_story.js";
import { hexadecimal } from "./words.js";

const CELL_DIGITS = 3;
const FATES = { nan: "became NaN", crushed: "became 0", cut: "beyond the largest", kept: "" };

/**
 * @param {(at: number, x: number) => void} edit an element was given a number
 * @param {(sentence: string) => void} complain
 */
export function createCells(edit, complain) {
  const element = make("ol", { class: "block-cells" });
  let cells = [];

  /** @param {import("./block_codec.js").BlockParts} parts */
  function update(parts, formats) {
    while (cells.length < parts.elements.length) cells.push(makeCell(cells.length, edit, complain));
    if (element.children.length !== parts.elements.length) {
      element.replaceChildren(...cells.slice(0, parts.elements.length).map((cell) => cell.element));
    }
    parts.elements.forEach((one, at) => cells[at].show(one, formats.element));
  }

  return { element, update };
}

function makeCell(at, edit, complain) {
  const input = make("input", { type: "text", "aria-label": `Number ${at + 1}`, autocomplete: "off", spellcheck: "false" });
  const became = make("span", { class: "block-value" });
  const error = make("span", { class: "block-error" });
  const bits = make("span", { class: "block-bits" });
  const element = make("li", {}, input, make("span", { class: "block-result" }, became, error), bits);
  let given = null;

  input.addEventListener("input", () => {
    try {
      const number = toNumber(parse(input.value).exact);
      say("");
      // Known before the change comes back: "1." stays as it is being typed.
      given = number;
      edit(at, number);
    } catch (problem) {
      if (!(problem instanceof BadInput)) throw problem;
      say(problem.message);
    }
  });
  input.addEventListener("blur", () => {
    input.value = text(given);
    say("");
  });

  function say(sentence) {
    input.setAttribute("aria-invalid", String(Boolean(sentence)));
    complain(sentence);
  }

  /** @param {import("./block_codec.js").BlockElement} one */
  function show(one, format) {
    if (!Object.is(given, one.given) || input.value === "") input.value = text(one.given);
    given = one.given;
    const fate = fateOf(one, format);
    element.dataset.fate = fate;
    setText(became, inWords(one.value, CELL_DIGITS));
    setText(error, errorWords(one));
    const parts = fields(one.code, format);
    ["sign", "exponent", "mantissa"].forEach((field, index) => {
      const part = bits.children[index] ?? bits.appendChild(make("i", { class: `block-${field}` }));
      setText(part, parts[field]);
    });
    const worth = `code ${hexadecimal(one.code, format)}, worth ${inWords(one.element)}`;
    element.title = `${text(one.given)} became ${exact(one.value)}: ${worth}${FATES[fate] && `; ${FATES[fate]}`}`;
  }

  return { element, show };
}

const text = (x) => (Number.isNaN(x) ? "nan" : Number.isFinite(x) ? String(x) : x > 0 ? "inf" : "-inf");

/** How far off an element is, in per cent of what was given; which way is seen from the two numbers. */
function errorWords({ given, value }) {
  const relative = (value - given) / given;
  if (!Number.isFinite(relative)) return "";
  if (relative === 0) return "exact";
  const size = Math.abs(relative) * 100;
  return `${size >= 0.95 ? Math.round(size) : size >= 0.095 ? size.toFixed(1) : "<0.1"}%`;
}
