/** What a person did wrong, said as `explorer.errors` says it. */

/** What a person gave cannot be used. The message is a sentence for them; every other error is a bug. */
export class BadInput extends Error {}

/** Characters of what was given that a sentence repeats. */
const LONGEST_ECHO = 60;

/**
 * @param {string} field where it was given
 * @param {string} given as the sentence quotes it
 * @param {string} accepted to be read after "takes"
 */
export function refusal(field, given, accepted) {
  return new BadInput(`${field}: got ${shortened(given)}, but takes ${accepted}.`);
}

/** Of NaN, where a format has none. @param {import("./codec.js").Format} format */
export function noNan(format) {
  return refusal("value", "nan", `a number that is not NaN, for ${format.label} has no NaN`);
}

/** @param {string} text */
export function shortened(text) {
  const characters = [...text];
  return characters.length > LONGEST_ECHO ? `${characters.slice(0, LONGEST_ECHO - 1).join("")}…` : text;
}

/**
 * A text in quotes, with what cannot be seen written out, as Python's repr has it.
 * @param {string} text
 */
export function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // Categories "other" and "separator" are what Python calls not printable, but for the space.
  return quote + text.replace(/[\\'\p{C}\p{Z}]/gu, (character) => escaped(character, quote)) + quote;
}

const ESCAPES = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(character, quote) {
  if (character === "'") return quote === "'" ? "\\'" : character;
  if (character === " ") return character;
  const code = character.codePointAt(0);
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return ESCAPES[character] ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}
