/** The picture of a block: a bar a number, what was given in outline and what it became filled, on the block's own grid. */

import { axisMarks, shortText } from "./axis.js";
import { fateOf, inWords } from "./block_story.js";
import { make, setText } from "../shared/dom.js";
import { magnitudesBetween } from "./ticks.js";
import { powerOfTwo } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 190;
const HALF = HEIGHT / 2;
/** Lines of the grid nearer to each other than this are left out. */
const APART = 4;
/** Room above the largest bar, to drag it into. */
const HEADROOM = 1.18;
/** Octaves that a logarithmic picture shows of each sign, at least and at most. */
const OCTAVES = [6, 20];

function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  return element;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
  }
}

/**
 * What part of the numbers the picture shows: up to `top` on either side, down to 2^low in a logarithmic one.
 * @typedef {{log: boolean, top: number, low: number}} Range
 * @param {import("./block_codec.js").BlockParts} parts
 * @returns {Range}
 */
export function rangeOf(parts, log) {
  const sizes = parts.elements.flatMap(({ given, value }) => [Math.abs(given), Math.abs(value)]);
  const usable = sizes.filter((size) => size > 0 && size < Infinity);
  const most = usable.length ? Math.max(...usable) : 1;
  if (!log) return { log, top: Math.min(most * HEADROOM, Number.MAX_VALUE), low: 0 };
  const high = Math.ceil(Math.log2(most) + 0.25);
  const least = usable.length ? Math.floor(Math.log2(Math.min(...usable))) : high;
  return { log, top: 2 ** high, low: high - Math.min(Math.max(high - least + 1, OCTAVES[0]), OCTAVES[1]) };
}

/** Pixels from the middle to a number, upwards where it is positive. */
export function heightOf({ log, top, low }, x) {
  const size = Math.abs(x);
  if (!(size > 0)) return 0;
  const part = log ? (Math.log2(size) - low) / (Math.log2(top) - low) : size / top;
  return Math.sign(x) * Math.min(Math.max(part, 0), 1) * HALF;
}

/** The number at a height over the middle, in as many digits as a pixel tells apart. */
export function numberAt({ log, top, low }, height) {
  const part = Math.min(Math.abs(height) / HALF, 1);
  if (part < 1 / HALF) return 0;
  const high = Math.log2(top);
  const size = log ? 2 ** (low + part * (high - low)) : part * top;
  const pixel = log ? (size * Math.LN2 * (high - low)) / HALF : top / HALF;
  return Math.sign(height) * Number(shortText(size, pixel));
}

/**
 * @param {(at: number, x: number) => void} drag an element was given a number by its bar
 */
export function createChart(drag) {
  const picture = svg("svg", { class: "block-chart", height: HEIGHT, role: "img" });
  const labels = make("div", { class: "block-scale", "aria-hidden": "true" });
  const lost = svg("rect", { class: "block-lost", x: 0, width: "100%" });
  const grid = svg("g", { class: "block-grid" });
  const bars = svg("g", {});
  picture.append(lost, grid, svg("line", { class: "block-zero", x1: 0, x2: "100%", y1: HALF, y2: HALF }), bars);
  let range = null;
  let count = 0;
  let held = null;

  picture.addEventListener("pointerdown", (event) => {
    if (event.button > 0 || !count) return;
    event.preventDefault();
    picture.setPointerCapture(event.pointerId);
    const box = picture.getBoundingClientRect();
    held = Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * count), 0), count - 1);
    move(event);
  });
  picture.addEventListener("pointermove", (event) => held !== null && move(event));
  for (const end of ["pointerup", "pointercancel"]) {
    picture.addEventListener(end, () => {
      if (held === null) return;
      held = null;
      drag(null, 0);
    });
  }

  function move(event) {
    const { top } = picture.getBoundingClientRect();
    drag(held, numberAt(range, HALF - (event.clientY - top)));
  }

  /** @param {import("./block_codec.js").BlockParts} parts */
  function update(parts, { element }, log, words) {
    // The picture's range stays as it is while a bar is held, or the bar would run from the hand.
    if (held === null || range?.log !== log) range = rangeOf(parts, log);
    count = parts.elements.length;
    picture.setAttribute("aria-label", `Bars: ${words}`);
    paintGrid(parts, element);
    while (bars.children.length > count) bars.lastChild.remove();
    while (bars.children.length < count) bars.append(bar());
    parts.elements.forEach((one, at) => paintBar(bars.children[at], one, at, fateOf(one, element)));
  }

  function bar() {
    const group = svg("g", {});
    group.append(svg("rect", { class: "block-given" }), svg("rect", { class: "block-became" }), svg("title", {}));
    return group;
  }

  function paintBar(group, { given, value }, at, fate) {
    const [outline, filled, title] = group.children;
    const slot = 100 / count;
    group.dataset.fate = fate;
    set(outline, { x: `${(at + 0.12) * slot}%`, width: `${0.76 * slot}%`, ...upright(heightOf(range, given)) });
    set(filled, { x: `${(at + 0.26) * slot}%`, width: `${0.48 * slot}%`, ...upright(heightOf(range, value)) });
    setText(title, `${inWords(given)} became ${inWords(value)}`);
  }

  /** The values that the block has, what rounds to zero, and the numbers at the side. */
  function paintGrid(parts, element) {
    const usable = parts.step > 0;
    const half = usable ? heightOf(range, (parts.step * element.smallest_subnormal) / 2) : 0;
    set(lost, { y: HALF - half, height: 2 * half });
    const heights = [];
    for (const magnitude of usable ? magnitudesBetween(element.smallest_subnormal, element.max, element) : []) {
      const height = heightOf(range, magnitude * parts.step);
      if (height >= HALF) break;
      if (height - (heights.at(-1) ?? 0) >= APART) heights.push(height);
    }
    const lines = heights.flatMap((height) => [HALF - height, HALF + height]);
    grid.replaceChildren(...lines.map((y) => svg("line", { x1: 0, x2: "100%", y1: y, y2: y })));
    labels.replaceChildren(
      ...marks(range).map(({ x, words }) => {
        const label = make("span", {}, words);
        label.style.top = `${HALF - heightOf(range, x)}px`;
        return label;
      }),
    );
  }

  return { element: make("div", { class: "block-picture" }, labels, picture), update };
}

/** Where the side is labelled. */
function marks({ log, top, low }) {
  if (!log) {
    const found = axisMarks({ kind: "linear", low: -top, high: top, negative: false }, 6);
    return found.map(({ at, step }) => ({ x: at, words: shortText(at, step).replaceAll("-", "−") }));
  }
  const high = Math.log2(top);
  const step = Math.ceil((high - low) / 4);
  const found = [{ x: 0, words: "0" }];
  for (let power = high; power - low >= step / 2; power -= step) {
    for (const sign of [1, -1]) found.push({ x: sign * 2 ** power, words: `${sign < 0 ? "−" : ""}${powerOfTwo(power)}` });
  }
  return found;
}

function upright(height) {
  return { y: HALF - Math.max(height, 0), height: Math.max(Math.abs(height), 0.5) };
}
