/** A horizontal bar with its figure: the one way in which this page draws a magnitude. */

import { make } from "../shared/dom.js";

/** Bars shorter than this share of the track could not be seen. */
const LEAST = 0.004;

/**
 * @param {{value: number, most: number, mark?: number | null, kind?: string, title?: string}} options `most` is what the
 * whole track stands for, `mark` a second value that is drawn as a line, `kind` picks the colour
 */
export function bar({ value, most, mark = null, kind = "", title = "" }) {
  const share = (part) => `${100 * Math.min(Math.max(part / most, LEAST), 1)}%`;
  const fill = make("i", { "data-kind": kind });
  fill.style.width = share(value);
  const track = make("span", { class: "hw-bar", title }, fill);
  if (mark !== null) {
    const line = make("u");
    line.style.left = share(mark);
    track.append(line);
  }
  return track;
}
