/**
 * The number line: the representable values of every format shown, a row a format over one axis, with the number through
 * all of them. Dragging sets the number, the wheel zooms, the axis can be dragged too.
 */

import { decode, short } from "../shared/codec.js";
import { make, setText } from "../shared/dom.js";
import { encode } from "../shared/encode.js";
import { colour, onTheme } from "../shared/palette.js";
import { BadInput, fromNumber, toNumber } from "../shared/rational.js";
import { around, fraction, panned, perPixel, plain, shortText, valueAt, viewOf, zoomed } from "./axis.js";
import { moved } from "./conversion.js";
import { layoutOf, paint, shadeOf } from "./line_draw.js";
import { exactFraction, markOf, markTexts, rowKeeper } from "./line_marks.js";
import { listen } from "./line_pointer.js";
import { spacing } from "./ticks.js";
import { powerOfTwo } from "./words.js";

const ZOOM = 2;
const STEP = 0.2;
/** Densities that the legend shows, as powers of two. */
const LEGEND = [0, 5, 10, 20, 40];
const LONGEST_TEXT = 24;
/** Colours that the canvas takes from the style sheet. */
const INKS = {
  panel: "panel-fill", text: "ink", quiet: "ink-quiet", exact: "ink", grid: "plot-grid", line: "plot-line", ground: "page-fill",
  value: "accent", rounded: "good", error: "danger", subnormal: "line-subnormal", subnormalGround: "line-subnormal-ground",
};

/**
 * @param {HTMLElement} section
 * @param {{catalogue: import("../shared/codec.js").Format[], change: (patch: object) => void}} context
 */
export function create(section, { catalogue, change }) {
  const formats = new Map(catalogue.map((format) => [format.name, format]));
  const canvas = make("canvas", { class: "line-canvas", role: "slider", tabindex: 0, "aria-label": "The number, on the number line" });
  const button = (words, label, act) => {
    const element = make("button", { type: "button", class: "tool", "aria-label": label, title: label }, words);
    element.addEventListener("click", act);
    return element;
  };
  const kinds = { linear: button("linear", "Linear axis", () => show("linear")), log: button("log₂ |x|", "Axis of powers of two", () => show("log")) };
  const snap = button("snap", "Dragging stops at the values of the row it began in", () => {
    snapping = !snapping;
    snap.setAttribute("aria-pressed", String(snapping));
  });
  snap.setAttribute("aria-pressed", "false");
  const words = make("p", { class: "line-words quiet" });
  section.append(
    make("header", {}, make("h2", {}, "Number line"),
      make("div", { class: "line-tools" },
        make("span", { class: "line-group", role: "group", "aria-label": "Axis" }, ...Object.values(kinds)),
        make("span", { class: "line-group", role: "group", "aria-label": "View" },
          button("‹", "Move the view left", () => look(panned(view, -STEP))),
          button("−", "Zoom out", () => look(zoomed(view, ZOOM, centre()))),
          button("+", "Zoom in", () => look(zoomed(view, 1 / ZOOM, centre()))),
          button("›", "Move the view right", () => look(panned(view, STEP))),
          button("to the number", "Show the part of the line about the number", follow)),
        snap)),
    make("p", { class: "quiet" },
      "A line is a value that the format has; where they are too close, shade counts them. " +
      "Drag to change the number, click a line to take it, zoom with the wheel, move along by the axis."),
    canvas, legend(), words);

  let state = null;
  let view = null;
  let layout = null;
  let snapping = false;
  /** What the canvas shows: the state's exact number and code, and all the rest as one text. */
  let drawn = [];
  let ink = null;
  const keeper = rowKeeper();

  const shown = () => state.formats.map((name) => formats.get(name)).filter(Boolean);
  const focused = () => formats.get(state.formats.includes(state.focus) ? state.focus : state.formats[0]);
  const look = (next) => change({ line: plain(next) });
  const centre = () => {
    const along = exactFraction(view, state.exact);
    return along >= 0 && along <= 1 ? along : 0.5;
  };

  function show(kind) {
    if (kind !== view.kind) change({ line: kind === "log" ? { kind } : {} });
  }

  /** Leave it to the number which part is shown. */
  function follow() {
    change({ line: view.kind === "log" ? { kind: "log" } : {} });
  }

  /** Take a place on the line: a code where the place is one, else as many digits as a pixel tells apart. */
  function take(along, row, exactly) {
    const x = valueAt(view, along);
    const format = shown()[row];
    if (format && (exactly || snapping)) {
      try {
        const code = encode(fromNumber(x), format, "nearest-even", "saturate");
        if (snapping || isNear(code, format, along)) return change({ code: { format: format.name, code }, line: plain(view) });
      } catch (error) {
        if (!(error instanceof BadInput)) throw error;
      }
    }
    return change({ text: shortText(x, perPixel(view, layout.plot, x)), line: plain(view) });
  }

  /** Whether a value that has a line of its own lies under the pointer. */
  function isNear(code, format, along) {
    const { value } = decode(code, format);
    const apart = spacing(Math.abs(value), format) / perPixel(view, layout.plot, value || spacing(0, format));
    return apart >= 3.9 && Math.abs(fraction(view, value) - along) * layout.plot < Math.min(5, apart / 2);
  }

  listen(canvas, {
    ready: () => layout !== null,
    layout: () => layout,
    view: () => view,
    look,
    take,
  });
  canvas.addEventListener("keydown", onKey);

  function onKey(event) {
    if (!state || event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const acts = {
      "+": () => look(zoomed(view, 1 / ZOOM, centre())),
      "=": () => look(zoomed(view, 1 / ZOOM, centre())),
      "-": () => look(zoomed(view, ZOOM, centre())),
      PageUp: () => look(panned(view, STEP)),
      PageDown: () => look(panned(view, -STEP)),
      Home: follow,
    };
    if (!direction && !acts[event.key]) return;
    event.preventDefault();
    if (!direction) return acts[event.key]();
    const code = moved(state, focused(), direction, event.shiftKey);
    if (code !== null) change({ code: { format: focused().name, code } });
  }

  function update(next) {
    const before = state;
    state = next;
    const x = toNumber(state.exact);
    view = viewOf(state.line, x);
    const along = exactFraction(view, state.exact);
    // A number that left the view by something done elsewhere takes the view with it.
    const left = before && before.text !== state.text && before.line === state.line && !(along >= 0 && along <= 1);
    if (left && Number.isFinite(x) && state.line?.low !== undefined) {
      view = around(view.kind, x);
      queueMicrotask(follow);
    }
    draw();
  }

  function draw() {
    const width = Math.floor(canvas.getBoundingClientRect().width);
    if (!state || !width) return;
    const ratio = devicePixelRatio || 1;
    const { formats: names, rounding, overflow, seed, text } = state;
    const rest = JSON.stringify([width, ratio, view, names, focused()?.name, rounding, overflow, seed, text]);
    const next = [state.exact, state.code, rest];
    if (next.every((each, at) => each === drawn[at])) return;
    drawn = next;
    layout = layoutOf(width, state.formats.length);
    fit(canvas, layout, ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    ink ??= inks(pen);
    const rows = keeper(view, layout.plot, shown());
    const marks = shown().map((format) => markOf(state, format));
    const exact = { along: exactFraction(view, state.exact), text: cut(state.text) };
    const drawnRows = shown().map((format, at) => ({ format, row: rows[at], mark: marks[at], focus: format === focused() }));
    paint(pen, { layout, view, rows: drawnRows, exact, overflow: state.overflow }, ink);
    say(marks, exact);
  }

  function say(marks, { along, text }) {
    const format = focused();
    const mark = marks[shown().indexOf(format)];
    const texts = mark && markTexts(mark);
    const rounded = texts ? `${format.label} makes it ${texts.value}` : `${format.label} has no such number`;
    canvas.setAttribute("aria-valuenow", String(Math.round(Math.min(Math.max(along || 0, 0), 1) * 100)));
    canvas.setAttribute("aria-valuetext", `${text}; ${rounded}`);
    for (const [kind, element] of Object.entries(kinds)) element.setAttribute("aria-pressed", String(kind === view.kind));
    setText(words, mark && Number.isFinite(mark.value) ? densityWords(mark.value, format) : "");
  }

  function densityWords(value, format) {
    const unit = spacing(Math.abs(value), format);
    const pixel = perPixel(view, layout.plot, value || unit);
    const place = `Near ${short(value)} the values of ${format.label} lie ${short(unit)} apart`;
    const octaves = Math.round(Math.log2(pixel / unit));
    if (octaves > 0) return `${place}: about ${octaves < 14 ? 2 ** octaves : powerOfTwo(octaves)} of them in a pixel.`;
    return `${place}, ${(unit / pixel).toPrecision(2).replace(/e\+(\d+)/, " × 10^$1")} pixels.`;
  }

  onTheme(() => {
    ink = null;
    drawn = [];
    draw();
  });
  new ResizeObserver(draw).observe(canvas);
  return { update };
}

/** The canvas in as many device pixels as it covers; setting them clears it, so only where they change. */
function fit(canvas, { width, height }, ratio) {
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  canvas.style.height = `${height}px`;
}

const cut = (text) => (text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text);

function inks(pen) {
  const found = Object.fromEntries(Object.entries(INKS).map(([name, property]) => [name, colour(property)]));
  return { ...found, hatch: hatching(pen, found.line) };
}

/** A pattern of thin diagonals: nothing is here. */
function hatching(pen, stroke) {
  const tile = make("canvas", { width: 6, height: 6 });
  const inside = tile.getContext("2d");
  inside.strokeStyle = stroke;
  inside.globalAlpha = 0.6;
  inside.beginPath();
  for (const at of [-6, 0, 6]) {
    inside.moveTo(at, 6);
    inside.lineTo(at + 6, 0);
  }
  inside.stroke();
  return pen.createPattern(tile, "repeat");
}

function legend() {
  const sample = (name, words) => make("span", {}, make("i", { class: `line-sample line-${name}`, "aria-hidden": "true" }), words);
  const scale = LEGEND.map((octaves) => {
    const box = make("i", { class: "line-shade", "aria-hidden": "true" });
    box.style.opacity = String(shadeOf(octaves));
    return make("span", { class: "line-density" }, box, octaves < 6 ? String(2 ** octaves) : powerOfTwo(octaves));
  });
  return make("div", { class: "line-legend quiet" },
    sample("value", "a value"), sample("subnormal", "subnormal"),
    make("span", { class: "line-scale" }, "values in a pixel:", ...scale),
    sample("rounded", "what the number becomes"), sample("beyond", "no values"));
}
