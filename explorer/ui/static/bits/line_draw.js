/** Painting the number line: a row a format over one axis, the number through all of them. */

import { axisMarks, fraction, shortText } from "./axis.js";
import { beyondText, markTexts } from "./line_marks.js";
import { LEVELS_PER_OCTAVE } from "./ticks.js";
import { powerOfTwo } from "./words.js";

/** Where things are, in pixels. A narrow canvas has the formats' names above their rows, not beside them. */
export function layoutOf(width, rows) {
  const narrow = width < 620;
  const size = { narrow, gutter: narrow ? 0 : 108, top: 22, row: narrow ? 46 : 38, band: narrow ? 15 : 5, bandHeight: 16, axis: 36 };
  return { ...size, width, plot: width - size.gutter - 1, height: size.top + rows * size.row + size.axis };
}

/** How dark a density is: one value in four pixels is hardly there, 2^54 in one is full. @param {number} octaves log2 */
export function shadeOf(octaves) {
  return 0.1 + 0.9 * Math.min(Math.max((octaves + 2) / 56, 0), 1) ** 0.65;
}

const FONT = "system-ui, sans-serif";
const LABEL_GAP = 8;
const LONGEST_POWER = 8;

/**
 * @param {CanvasRenderingContext2D} pen in CSS pixels
 * @param {object} picture
 * @param {ReturnType<typeof layoutOf>} picture.layout
 * @param {import("./axis.js").View} picture.view
 * @param {{format: object, row: import("./ticks.js").Row, mark: import("./line_marks.js").Mark | null, focus: boolean}[]} picture.rows
 * @param {{along: number, text: string}} picture.exact
 * @param {string} picture.overflow
 * @param {Record<string, string>} ink colours by name, and `hatch`, a pattern
 */
export function paint(pen, { layout, view, rows, exact, overflow }, ink) {
  pen.clearRect(0, 0, layout.width, layout.height);
  const bottom = layout.top + rows.length * layout.row;
  paintAxis(pen, layout, view, bottom, ink);
  const places = rows.map((each, index) => {
    pen.save();
    pen.translate(layout.gutter, layout.top + index * layout.row);
    paintName(pen, layout, each, ink);
    pen.beginPath();
    pen.rect(0, 0, layout.plot + 1, layout.row);
    pen.clip();
    paintGround(pen, layout, view, each.format, overflow, ink);
    paintValues(pen, layout, view, each, ink);
    const places = each.mark && paintMark(pen, layout, view, each.mark, exact.along, ink);
    pen.restore();
    return places;
  });
  paintExact(pen, layout, exact, bottom, ink);
  // Last, for the number's own line runs through them.
  rows.forEach(({ mark }, index) => {
    if (!mark) return;
    pen.save();
    pen.translate(layout.gutter, layout.top + index * layout.row);
    paintMarkTexts(pen, layout, mark, places[index], ink);
    pen.restore();
  });
}

function paintName(pen, layout, { format, focus }, ink) {
  pen.fillStyle = ink.text;
  pen.font = `${focus ? 650 : 500} 12px ${FONT}`;
  pen.textBaseline = "middle";
  pen.textAlign = layout.narrow ? "left" : "right";
  if (layout.narrow) pen.fillText(format.label, 0, 7);
  else pen.fillText(format.label, -10, layout.band + layout.bandHeight / 2 + 1);
}

/** The row's ground: its whole length, the subnormal window, and what lies beyond the largest value. */
function paintGround(pen, layout, view, format, overflow, ink) {
  const { band, bandHeight, plot } = layout;
  pen.fillStyle = ink.ground;
  pen.fillRect(0, band, plot, bandHeight);
  const fill = (from, to, style) => {
    const [left, right] = ends(view, plot, from, to);
    if (left < right) {
      pen.fillStyle = style;
      pen.fillRect(left, band, right - left, bandHeight);
    }
    return right - left;
  };
  const note = (words, at, align) => {
    pen.fillStyle = ink.quiet;
    pen.font = `11px ${FONT}`;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillText(words, at, band + bandHeight / 2 + 1);
  };
  if (format.has_subnormals) {
    const least = view.kind === "log" ? format.smallest_subnormal : 0;
    const signs = view.kind === "log" ? [view.negative ? -1 : 1] : [1, -1];
    for (const sign of signs) fill(sign * least, sign * format.smallest_normal, ink.subnormalGround);
  }
  const word = beyondText(format, overflow);
  const sides = format.signed ? [1, -1] : [1];
  for (const sign of view.kind === "log" ? sides.filter((side) => side < 0 === view.negative) : sides) {
    const [left, right] = ends(view, plot, sign * format.max, sign * Infinity);
    if (fill(sign * format.max, sign * Infinity, ink.hatch) > 60) {
      const at = sign > 0 ? left + 10 : right - 10;
      const minus = sign < 0 && word !== "NaN" ? "−" : "";
      note(`→ ${minus}${word}`, at, sign > 0 ? "left" : "right");
    }
  }
  if (!format.signed) {
    const negative = view.kind === "log" && view.negative ? [0, plot] : view.kind === "log" ? [0, 0] : ends(view, plot, -Infinity, 0);
    pen.fillStyle = ink.hatch;
    pen.fillRect(negative[0], band, negative[1] - negative[0], bandHeight);
    if (negative[1] - negative[0] > 130) note("no negative numbers", negative[0] + 10, "left");
  }
  if (view.kind === "log" && format.has_zero) {
    const [left, right] = ends(view, plot, 0, (view.negative ? -1 : 1) * format.smallest_subnormal);
    const zero = format.has_negative_zero ? "→ −0" : "→ 0";
    if (right - left > 46) note(view.negative ? zero : "0 ←", view.negative ? left + 10 : right - 10, view.negative ? "left" : "right");
  }
}

/** Pixels from one number to another, ascending and within the plot. */
function ends(view, plot, from, to) {
  const place = (x) => {
    if (view.kind === "linear" && !Number.isFinite(x)) return x < 0 ? 0 : plot;
    return Math.min(Math.max(fraction(view, x) * plot, 0), plot);
  };
  return [place(from), place(to)].sort((a, b) => a - b);
}

function paintValues(pen, { band, bandHeight, plot }, view, { format, row }, ink) {
  pen.fillStyle = ink.value;
  for (const { from, to, level } of row.shades) {
    pen.globalAlpha = shadeOf(level / LEVELS_PER_OCTAVE);
    pen.fillRect(from, band, to - from, bandHeight);
  }
  pen.globalAlpha = 1;
  const subnormal = format.has_subnormals ? format.smallest_normal : 0;
  for (const value of row.ticks) {
    const size = Math.abs(value);
    pen.fillStyle = size >= subnormal ? ink.value : size ? ink.subnormal : ink.exact;
    pen.fillRect(Math.round(fraction(view, value) * plot) - 0.5, band, 1.2, bandHeight);
  }
}

/** The value that the number rounds to, its neighbours, and how far the number was moved. */
function paintMark(pen, layout, view, mark, along, ink) {
  const { band, bandHeight, plot } = layout;
  const place = (x) => {
    if (x === null || !Number.isFinite(x)) return null;
    // A logarithmic view has one side of zero, and not zero itself.
    if (view.kind === "log" && (x === 0 || x < 0 !== view.negative)) return null;
    return fraction(view, x) * plot;
  };
  const at = place(mark.value);
  const exactAt = Math.min(Math.max(along * plot, -9), plot + 9);
  if (at !== null && Math.abs(at - exactAt) > 1.5) {
    pen.fillStyle = ink.error;
    const [left, right] = [Math.max(Math.min(at, exactAt), -9), Math.min(Math.max(at, exactAt), plot + 9)];
    pen.fillRect(left, band + bandHeight / 2 - 1, right - left, 2);
  }
  pen.fillStyle = ink.exact;
  for (const beside of [place(mark.below), place(mark.above)]) {
    if (beside !== null && at !== null && Math.abs(beside - at) > 2) pen.fillRect(beside - 1, band, 2, bandHeight);
  }
  if (at !== null) {
    pen.fillStyle = ink.rounded;
    pen.fillRect(at - 1.75, band - 3, 3.5, bandHeight + 5);
  }
  return { at, below: place(mark.below), above: place(mark.above), exactAt };
}

/** The labels of a mark's values, as far as there is room: that of the rounded value first. */
function paintMarkTexts(pen, layout, mark, { at, below, above, exactAt }, ink) {
  const texts = markTexts(mark);
  const y = layout.band + layout.bandHeight + 9;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  pen.font = `600 11px ${FONT}`;
  const write = (words, left, width, style) => {
    pen.fillStyle = ink.panel;
    pen.fillRect(left - 2, y - 7, width + 4, 13);
    pen.fillStyle = style;
    pen.fillText(words, left, y);
  };
  // What became infinity, NaN or, in a logarithmic view, zero has no place of its own: it is named under the number.
  const anchor = at ?? exactAt;
  if (!(anchor >= -9 && anchor <= layout.plot + 9)) return;
  const text = at === null ? `→ ${texts.value}` : texts.value;
  const width = pen.measureText(text).width;
  const left = Math.min(Math.max(anchor - width / 2, 0), layout.plot - width);
  write(text, left, width, ink.text);
  if (at === null) return;
  pen.font = `11px ${FONT}`;
  for (const [beside, words] of [[below, texts.below], [above, texts.above]]) {
    if (beside === null || beside < 0 || beside > layout.plot) continue;
    const own = pen.measureText(words).width;
    const start = Math.min(Math.max(beside - own / 2, 0), layout.plot - own);
    if (start + own + LABEL_GAP < left || start > left + width + LABEL_GAP) write(words, start, own, ink.quiet);
  }
}

function paintExact(pen, layout, { along, text }, bottom, ink) {
  if (Number.isNaN(along)) return;
  const x = layout.gutter + along * layout.plot;
  pen.font = `600 12px ${FONT}`;
  pen.textBaseline = "middle";
  pen.fillStyle = ink.exact;
  const right = layout.gutter + layout.plot;
  if (along < 0 || along > 1) {
    pen.textAlign = along < 0 ? "left" : "right";
    pen.fillText(along < 0 ? `◂ ${text}` : `${text} ▸`, along < 0 ? layout.gutter : right, 9);
    return;
  }
  const width = pen.measureText(text).width;
  pen.textAlign = "left";
  pen.fillText(text, Math.min(Math.max(x - width / 2, layout.gutter), right - width), 9);
  pen.fillRect(x - 0.75, 17, 1.5, bottom - 17);
}

function paintAxis(pen, layout, view, bottom, ink) {
  const { gutter, plot } = layout;
  const powers = axisMarks(view, Math.max(2, plot / 62));
  const decimals = powers.some(({ power }) => power !== null);
  let marks = powers;
  // The longer the numbers, the fewer of them have room.
  if (!decimals) {
    pen.font = `11px ${FONT}`;
    const widest = Math.max(0, ...powers.map((mark) => pen.measureText(axisText(mark)).width));
    marks = axisMarks(view, Math.max(2, plot / (widest + 26)));
  }
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  let free = -Infinity;
  const placed = marks.map((mark) => ({ ...mark, x: gutter + fraction(view, mark.at) * plot }));
  const within = (x, half) => Math.min(Math.max(x, gutter + half), gutter + plot - half);
  for (const { x, ...mark } of placed.sort((a, b) => a.x - b.x)) {
    pen.fillStyle = ink.grid;
    pen.fillRect(x - 0.5, layout.top - 2, 1, bottom - layout.top + 6);
    pen.font = `11px ${FONT}`;
    const words = mark.power === null ? axisText(mark) : powerOfTwo(mark.power).replace("2", mark.at < 0 ? "−2" : "2");
    const half = pen.measureText(words).width / 2;
    const centre = within(x, half);
    if (centre - half < free) continue;
    free = centre + half + LABEL_GAP;
    pen.fillStyle = ink.text;
    pen.fillText(words, centre, bottom + 12);
    if (mark.power === null) continue;
    pen.fillStyle = ink.quiet;
    pen.font = `10px ${FONT}`;
    const beneath = powerText(mark.at).replaceAll("-", "−");
    pen.fillText(beneath, within(x, pen.measureText(beneath).width / 2), bottom + 27);
  }
  pen.fillStyle = ink.line;
  pen.fillRect(gutter, bottom + 2, plot, 1);
}

/** A power of two in decimal: whole where that is short, else two digits of it. */
function powerText(x) {
  const whole = String(x);
  if (whole.length <= LONGEST_POWER) return whole;
  return Math.abs(x) >= 1 ? x.toExponential(1).replace("e+", "e") : shortText(x, Math.abs(x) / 10);
}

const axisText = ({ at, step }) => shortText(at, step).replaceAll("-", "−");
