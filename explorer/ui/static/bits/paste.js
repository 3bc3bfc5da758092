/** Numbers that a person pasted: of a table, a list, a printed array. */

import { BadInput } from "../shared/bad-input.js";
import { parse, toNumber } from "../shared/rational.js";

const SEPARATORS = /[\s,;|()[\]{}]+/;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
export const MOST_PASTED = 1_000_000;
const LONGEST_ECHO = 40;

/**
 * @param {string} text numbers with anything between them that is no part of a number
 * @returns {Float64Array}
 * @throws {BadInput} naming the first that is no number
 */
export function pasted(text) {
  const tokens = text.split(SEPARATORS).filter(Boolean);
  if (!tokens.length) throw new BadInput("There is no number here yet: paste some, with spaces, commas or line breaks between them.");
  const grouped = (number) => number.toLocaleString("en");
  if (tokens.length > MOST_PASTED) {
    const most = `up to ${grouped(MOST_PASTED)} can be pasted`;
    throw new BadInput(`These are ${grouped(tokens.length)} numbers; ${most}. Use a file for more.`);
  }
  return Float64Array.from(tokens, (token, at) => {
    // Most are plain, and Number reads those as exactly and much faster.
    if (DECIMAL.test(token)) return Number(token);
    try {
      return toNumber(parse(token).exact);
    } catch (error) {
      if (!(error instanceof BadInput)) throw error;
      const echo = token.length > LONGEST_ECHO ? `${token.slice(0, LONGEST_ECHO - 1)}…` : token;
      const which = `Value ${grouped(at + 1)} of ${grouped(tokens.length)}`;
      throw new BadInput(`${which}, “${echo}”, is not a number. Write numbers like 0.1, 1e-5 or 2^-14.`);
    }
  });
}
