/** One format's view of the number in full: its fields as a formula, every decimal digit, its neighbours, in words. */

import { decode, exact as decimal } from "../shared/codec.js";
import { neighbours } from "../shared/encode.js";
import { copyFor, make, setText } from "../shared/dom.js";
import { codeIn, errors } from "./conversion.js";
import { rangeSentence } from "./sentence.js";
import { figure, hexadecimal, percent, powerOfTwo } from "./words.js";

/** Longer expansions are cut in the middle until they are asked for. */
const MOST_DIGITS = 120;

/** @param {HTMLElement} root */
export function createDetail(root) {
  const words = make("p", { class: "bits-sentence", "aria-live": "polite" });
  const terms = {};
  const list = make("dl");
  for (const [key, label] of [
    ["code", "code"],
    ["formula", "fields"],
    ["exact", "exact value"],
    ["neighbours", "neighbours"],
    ["error", "error"],
    ["range", "range"],
  ]) {
    terms[key] = make("dd", { class: "tabular" });
    list.append(make("dt", {}, label), terms[key]);
  }
  const more = make("button", { type: "button", class: "tool" }, "all digits");
  more.addEventListener("click", () => {
    whole = !whole;
    writeExact();
  });
  const [digits, code] = [make("span"), make("span")];
  terms.exact.append(digits, " ", copyButton("exact value", () => expansion), " ", more);
  terms.code.append(code, " ", copyButton("code", () => code.textContent.split(" ")[0]));
  root.append(words, list);
  let whole = false;
  let expansion = "";

  function writeExact() {
    const long = expansion.length > MOST_DIGITS;
    more.hidden = !long;
    setText(more, whole ? "fewer digits" : `all ${expansion.length} characters`);
    setText(digits, long && !whole ? `${expansion.slice(0, 40)}…${expansion.slice(-20)}` : expansion);
  }

  return (state, format) => {
    const found = codeIn(state, format);
    setText(words, rangeSentence(state.exact, format));
    setText(terms.range, rangeOf(format));
    setText(code, found === null ? "—" : `${hexadecimal(found, format)} = 0b${found.toString(2).padStart(format.bits, "0")}`);
    if (found === null) {
      for (const key of ["formula", "neighbours", "error"]) setText(terms[key], "—");
      expansion = "—";
      writeExact();
      return;
    }
    const decoded = decode(found, format);
    expansion = decimal(decoded.value);
    writeExact();
    setText(terms.formula, formula(decoded, format));
    const { below, above } = neighbours(found, format);
    const named = (neighbour) => (neighbour === null ? "none" : figure(decode(neighbour, format).value));
    setText(terms.neighbours, `${named(below)} below, ${named(above)} above`);
    const off = errors(state.exact, decoded.value);
    setText(terms.error, off ? (off.absolute ? `${figure(off.absolute)} absolute, ${percent(off.relative)} relative` : "none") : "—");
  };
}

/** A button that copies a text, and says so. @param {() => string} text */
function copyButton(what, text) {
  const button = make("button", { type: "button", class: "tool", "aria-label": `Copy the ${what}` }, "copy");
  button.addEventListener("click", () => copyFor(button, text()));
  return button;
}

/** How the fields make the value: −1.5625 × 2⁻⁴, with the exponent field's own number. */
function formula({ kind, sign, exponentField, mantissaField }, format) {
  const minus = sign ? "−" : "";
  const fields = `exponent field ${exponentField}, mantissa field ${mantissaField}`;
  const fraction = Number(mantissaField) / 2 ** format.mantissa_bits;
  if (kind === "normal") {
    const exponent = Number(exponentField) - format.bias;
    return `${minus}${1 + fraction} × ${powerOfTwo(exponent)} (${fields}, bias ${format.bias})`;
  }
  if (kind === "subnormal") return `${minus}${fraction} × ${powerOfTwo(1 - format.bias)} (${fields}: no leading 1)`;
  return `${minus}${{ zero: "0", infinity: "∞", nan: "NaN" }[kind]} (${fields})`;
}

function rangeOf(format) {
  const normal = `normal from ${figure(format.smallest_normal)} to ${figure(format.max)}`;
  const subnormal = format.has_subnormals ? `, subnormal from ${figure(format.smallest_subnormal)}` : ", no subnormals";
  const special = [format.has_inf ? "∞" : "no ∞", format.has_nan ? "NaN" : "no NaN"].join(", ");
  return `${normal}${subnormal}; ${special}; ε = ${figure(format.epsilon)}`;
}
