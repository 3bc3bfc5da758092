/** The picture of a tensor: a histogram of log2|x|, and beneath it every format's window on the same axis. */

import { colour } from "../shared/palette.js";

const HISTOGRAM = 132;
const AXIS = 34;
const ROW = 22;
const BAR = 14;
const TOP = 18;
/** Octaves left free beside what must be seen. */
const MARGIN = 2;
/** Wider windows than this run out of the picture instead of squeezing it. */
const WIDEST_WINDOW = 64;
const FONT = "11.5px system-ui, sans-serif";
const SMALL = "9px system-ui, sans-serif";

/** What becomes of a value, with the custom property of its colour. */
export const FATES = [
  ["zero", "ink-quiet", "becomes 0"],
  ["subnormal", "bit-mantissa", "subnormal: fewer digits"],
  ["normal", "bit-exponent", "normal"],
  ["over", "danger", "overflows"],
];

/**
 * Where a format's window lies, in log2.
 * @param {import("./boundaries.js").Boundaries} limits
 * @returns {{zero: number, normal: number, over: number}} from where on values are kept, are normal, overflow
 */
export function edges({ nonzero, normal, over }) {
  // Under stochastic rounding an even chance is the edge.
  const log2 = ({ from, to }) => Math.log2(to === Infinity ? to : (from + to) / 2);
  return { zero: log2(nonzero), normal: log2(normal), over: log2(over) };
}

/**
 * The powers of two that the picture spans.
 * @param {{low: number, counts: number[], perOctave: number}} distribution
 * @param {number} scale
 * @param {{zero: number, over: number}[]} windows
 * @returns {[number, number]}
 */
export function span({ low, counts, perOctave }, scale, windows) {
  const ends = windows.filter(({ zero, over }) => over - zero <= WIDEST_WINDOW).flatMap(({ zero, over }) => [zero, over]);
  if (counts.length) {
    const [first, last] = [low / perOctave, (low + counts.length) / perOctave];
    ends.push(first, last, first + scale, last + scale);
  }
  if (!ends.length) return [-32, 32];
  return [Math.floor(Math.min(...ends)) - MARGIN, Math.ceil(Math.max(...ends)) + MARGIN];
}

/**
 * @typedef {object} Picture
 * @property {{low: number, counts: number[], perOctave: number, present: number}} distribution
 * @property {number} scale
 * @property {{name: string, label: string, max: string, edges: ReturnType<typeof edges>, beyond: string}[]} rows
 * @property {string} focus name of the row whose fates colour the histogram
 */

/**
 * Draw it as wide as the canvas's container is.
 * @param {HTMLCanvasElement} canvas
 * @param {Picture} picture
 */
export function draw(canvas, { distribution, scale, rows, focus }) {
  const width = canvas.parentElement.clientWidth;
  if (!width) return;
  const height = TOP + HISTOGRAM + AXIS + rows.length * ROW + 4;
  const density = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = FONT;
  const names = ["ink", "plot-line", "plot-text", "panel-fill", ...FATES.map(([, name]) => name)];
  const colours = Object.fromEntries(names.map((name) => [name, colour(name)]));
  const gutter = Math.ceil(Math.max(66, ...rows.map(({ label }) => pen.measureText(label).width))) + 12;
  const [from, to] = span(distribution, scale, rows.map((row) => row.edges));
  const right = width - 8;
  const x = (power) => gutter + ((Math.min(Math.max(power, from), to) - from) / (to - from)) * (right - gutter);
  const place = { pen, colours, x, from, to, gutter, right };
  const focused = rows.find(({ name }) => name === focus) ?? rows[0];
  guides(place, focused, TOP + HISTOGRAM);
  bars(place, distribution, scale, focused);
  axis(place, TOP + HISTOGRAM);
  rows.forEach((row, at) => windowRow(place, row, TOP + HISTOGRAM + AXIS + at * ROW, row === focused));
}

/** What becomes of a power of two. */
function fate(power, { zero, normal, over }) {
  return power < zero ? "zero" : power < normal ? "subnormal" : power < over ? "normal" : "over";
}

function bars({ pen, colours, x }, { low, counts, perOctave, present }, scale, focused) {
  const most = Math.max(...counts, 1);
  const base = TOP + HISTOGRAM;
  counts.forEach((count, at) => {
    if (!count) return;
    const power = (low + at) / perOctave + scale;
    // Whole pixels: bars of a fraction of one would shimmer.
    const [start, end] = [Math.round(x(power)), Math.round(x(power + 1 / perOctave))];
    // A bin with anything in it can be seen.
    const tall = Math.max((count / most) * HISTOGRAM, 1);
    pen.fillStyle = colours[FATES.find(([name]) => name === fate(power + 0.5 / perOctave, focused.edges))[1]];
    pen.fillRect(start, base - tall, Math.max(end - start - (end - start > 2 ? 1 : 0), 1), tall);
  });
  pen.fillStyle = colours["plot-text"];
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  if (!counts.length) return;
  // The axis's one mark is the tallest bar.
  const percent = Number(((most / present) * 100).toPrecision(2));
  const lines = [`${percent} %`, "of values", perOctave === 1 ? "an octave" : `in 1/${perOctave} octave`];
  lines.forEach((line, at) => pen.fillText(line, 0, TOP + 9 + at * 14));
}

/** Upright lines where the format in focus stops keeping values, with what lies beyond. */
function guides({ pen, colours, x, from, to }, { edges: { zero, normal, over }, beyond }, base) {
  pen.strokeStyle = colours["plot-text"];
  pen.setLineDash([3, 3]);
  pen.lineWidth = 1;
  for (const power of new Set([zero, normal, over])) {
    if (!(power > from && power < to)) continue;
    pen.beginPath();
    pen.moveTo(Math.round(x(power)) + 0.5, 4);
    pen.lineTo(Math.round(x(power)) + 0.5, base);
    pen.stroke();
  }
  pen.setLineDash([]);
  pen.fillStyle = colours["plot-text"];
  pen.textBaseline = "alphabetic";
  const write = (text, at, align) => {
    pen.textAlign = align;
    pen.fillText(text, at, 12);
  };
  if (zero > from && zero < to) write("◂ 0", x(zero) - 4, "right");
  if (normal > from && x(normal) - x(zero) > 70) write("subnormal", (x(zero) + x(normal)) / 2, "center");
  if (x(over) - x(normal) > 50) write("normal", (x(normal) + x(over)) / 2, "center");
  if (over > from && over < to) write(`${beyond} ▸`, x(over) + 4, "left");
}

function axis({ pen, colours, x, from, to, gutter, right }, top) {
  const step = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((each) => (each / (to - from)) * (right - gutter) >= 40) ?? 1024;
  pen.strokeStyle = colours["plot-line"];
  pen.fillStyle = colours["plot-text"];
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  pen.beginPath();
  pen.moveTo(gutter, top + 0.5);
  pen.lineTo(right, top + 0.5);
  for (let power = Math.ceil(from / step) * step; power <= to; power += step) {
    const at = Math.round(x(power)) + 0.5;
    pen.moveTo(at, top);
    pen.lineTo(at, top + 4);
    pen.font = SMALL;
    const raised = pen.measureText(String(power)).width;
    pen.font = FONT;
    const start = Math.min(at - (7 + raised) / 2, right - raised);
    pen.fillText("2", start, top + 18);
    pen.font = SMALL;
    pen.fillText(String(power).replace("-", "−"), start + 7, top + 13);
    pen.font = FONT;
  }
  pen.stroke();
  pen.fillText("|x| · scale", 0, top + 18);
}

/** One format's window: what becomes zero, what is subnormal, normal, beyond. */
function windowRow({ pen, colours, x, from, to, gutter, right }, row, top, isFocus) {
  const { zero, normal, over } = row.edges;
  const y = top + (ROW - BAR) / 2;
  const stretch = (start, end, paint) => end > start && paint(start, end - start);
  const hatched = (start, wide, name) => hatch(pen, start, y, wide, colours[name]);
  stretch(gutter, x(zero), (start, wide) => hatched(start, wide, "ink-quiet"));
  stretch(x(over), right, (start, wide) => hatched(start, wide, "danger"));
  stretch(x(zero), x(normal), (start, wide) => {
    pen.fillStyle = colours["bit-mantissa"];
    pen.fillRect(start, y, wide, BAR);
  });
  stretch(x(normal), x(over), (start, wide) => {
    pen.fillStyle = colours["bit-exponent"];
    pen.fillRect(start, y, wide, BAR);
  });
  pen.textBaseline = "middle";
  pen.font = isFocus ? `650 ${FONT}` : FONT;
  pen.fillStyle = isFocus ? colours.ink : colours["plot-text"];
  pen.textAlign = "left";
  pen.fillText(row.label, 0, y + BAR / 2 + 0.5);
  pen.font = FONT;
  const inside = (text, at, align, room, background, ink) => {
    const wide = pen.measureText(text).width;
    if (wide + (background ? 20 : 10) > room) return;
    pen.textAlign = align;
    const start = align === "center" ? at - wide / 2 : align === "right" ? at - wide : at;
    if (background) {
      pen.fillStyle = background;
      pen.fillRect(start - 3, y, wide + 6, BAR);
    }
    pen.fillStyle = ink;
    pen.fillText(text, at, y + BAR / 2 + 0.5);
  };
  inside("0", (gutter + x(zero)) / 2, "center", x(zero) - gutter, colours["panel-fill"], colours.ink);
  inside(row.beyond, (x(over) + right) / 2, "center", right - x(over), colours["panel-fill"], colours.danger);
  // On the two light colours the text is dark in both themes.
  const wideEnough = x(over) - x(normal);
  if (over < to) inside(row.max, x(over) - 5, "right", wideEnough, null, "#1b2130");
  else inside("▸", x(over) - 5, "right", wideEnough, null, "#1b2130");
  if (zero < from) inside("◂", gutter + 5, "left", wideEnough, null, "#1b2130");
}

function hatch(pen, start, top, wide, ink) {
  pen.save();
  pen.beginPath();
  pen.rect(start, top, wide, BAR);
  pen.clip();
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let at = start - BAR; at < start + wide; at += 5) {
    pen.moveTo(at, top + BAR);
    pen.lineTo(at + BAR, top);
  }
  pen.stroke();
  pen.restore();
}
