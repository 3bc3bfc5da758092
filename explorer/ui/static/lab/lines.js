/**
 * A plot of one line a lane over the steps, with marks on skipped steps: the base of the loss and the scale plot.
 *
 * Each lane has three traces: its faint raw line (only while smoothed), its line, its marks. New points are appended;
 * a series too long to be drawn point by point is thinned and drawn anew, a few times a second at most.
 */

import { DASHES, colour, faint, laneColour } from "../shared/palette.js";
import { CONFIG, keepSized, layout, paced, plain, themed, thinned } from "../shared/plots.js";

/** Points a line is drawn with before it is thinned. */
const MOST_POINTS = 2000;
/** Milliseconds between two drawings of thinned lines. */
const REDRAW = 500;
const TRACES = 3;
/** Steps from which on a lane can be seen without a dot on each. */
const SEEN_AS_LINE = 3;
/** Steps from which on marks are small: there may be hundreds. */
const MANY_STEPS = 1000;

/**
 * @typedef {object} LineOptions
 * @property {string} yTitle
 * @property {(lane: import("./run.js").Lane, index: number) => number | null} value what is plotted
 * @property {string} hover Plotly's template of a value, such as `%{y:.4f}`
 * @property {object} [line] more of the line's style
 * @property {object} [yaxis] more of the axis's layout
 * @property {(low: number, high: number) => object} [range] the y axis's layout for values from `low` to `high`; where
 *   it is left out, Plotly chooses
 * @property {(lane: import("./run.js").Lane, index: number) => object[]} [extras] further traces of a lane, without
 *   colour and name; a plot that has any is drawn anew a few times a second
 */

/**
 * @param {any} Plotly
 * @param {HTMLElement} element
 * @param {LineOptions} options
 */
export async function createLines(Plotly, element, options) {
  let smoothing = 0;
  let hidden = new Set();
  /** @type {ReturnType<typeof freshState>[]} what is drawn of each lane */
  let drawn = [];
  const pace = paced(drawAnew, REDRAW);
  let shown = null;
  let dotted = true;
  /** Lowest and highest finite value drawn. */
  let extent = [Infinity, -Infinity];
  let fitted = "";

  const base = layout("step", options.yTitle);
  await Plotly.newPlot(
    element,
    [],
    {
      ...base,
      xaxis: { ...base.xaxis, rangemode: "tozero", unifiedhovertitle: { text: "step %{x}" } },
      yaxis: { ...base.yaxis, ...options.yaxis },
    },
    CONFIG,
  );
  Plotly.relayout(element, themed());
  keepSized(Plotly, element);

  /** Empty traces for the lanes of a run. */
  function reset(run) {
    shown = run;
    pace.cancel();
    drawn = run.lanes.map(freshState);
    dotted = run.lanes.every((lane) => lane.step.length < SEEN_AS_LINE);
    extent = [Infinity, -Infinity];
    fitted = "";
    const steps = run.started?.config.steps ?? 0;
    const range = { autorange: false, range: [-0.02 * Math.max(steps - 1, 1), Math.max(steps - 1, 1) * 1.02] };
    const more = { xaxis: { ...element.layout.xaxis, ...(steps ? range : {}) } };
    more.yaxis = { ...element.layout.yaxis, autorange: true };
    return Plotly.react(element, run.lanes.flatMap(traces), { ...element.layout, ...more }, CONFIG);
  }

  function traces(lane, index) {
    const visible = !hidden.has(index);
    const line = { color: laneColour(index), dash: DASHES[index % DASHES.length], width: 2, ...options.line };
    const common = { type: "scatter", name: plain(lane.name), showlegend: false, visible, meta: index };
    const marker = { size: 5, color: laneColour(index) };
    const many = (shown.started?.config.steps ?? 0) > MANY_STEPS;
    const text = { text: [], hovertemplate: `${options.hover}%{text}` };
    return [
      { ...common, x: [], y: [], mode: "lines", line: { ...line, width: 1 }, opacity: 0.3, hoverinfo: "skip" },
      { ...common, x: [], y: [], ...text, mode: dotted ? "lines+markers" : "lines", line, marker, showlegend: true },
      {
        ...common,
        x: [],
        y: [],
        mode: "markers",
        marker: {
          symbol: [],
          size: many ? 5 : 9,
          color: laneColour(index),
          line: { width: many ? 0 : 1, color: colour("panel-fill") },
        },
        hoverinfo: "skip",
        cliponaxis: false,
      },
    ];
  }

  /** What is drawn of a lane beside its three traces. */
  function extras(lane, index) {
    const color = laneColour(index);
    return (options.extras?.(lane, index) ?? []).map(({ line, marker, fill, ...trace }) => ({
      type: "scatter",
      name: plain(lane.name),
      showlegend: false,
      visible: !hidden.has(index),
      meta: index,
      line: { color, width: 1, dash: DASHES[index % DASHES.length], ...line },
      marker: { color, ...marker, line: { color, width: 1.5, ...marker?.line } },
      ...(fill ? { fill, fillcolor: faint(color) } : {}),
      ...trace,
    }));
  }

  /** Draw what is new in a run. */
  function update(run) {
    if (run !== shown || drawn.length !== run.lanes.length) reset(run);
    const long = run.lanes.some((lane) => lane.step.length > MOST_POINTS);
    if (long || run.lanes.some((lane, index) => options.extras?.(lane, index).length)) return pace.soon();
    const updates = { x: [], y: [], text: [], "marker.symbol": [] };
    const indices = [];
    run.lanes.forEach((lane, index) => {
      if (drawn[index].points < lane.step.length) append(lane, index, updates, indices);
    });
    if (!indices.length) return;
    extend(updates, indices);
    if (extent.join() !== fitted) fit();
    if (dotted && run.lanes.some((lane) => lane.step.length >= SEEN_AS_LINE)) undot();
  }

  /** A line of one point is nothing to see, so lanes begin with dots; they give way to the line. */
  function undot() {
    dotted = false;
    const lines = drawn.map((_, index) => index * TRACES + 1);
    Plotly.restyle(element, { mode: "lines" }, lines);
  }

  /** Give the y axis the range that goes with what is drawn. */
  function fit() {
    fitted = extent.join();
    if (!options.range || extent[0] > extent[1]) return;
    const axis = Object.entries(options.range(...extent)).map(([name, value]) => [`yaxis.${name}`, value]);
    Plotly.relayout(element, Object.fromEntries(axis));
  }

  function extend(updates, indices) {
    // Plotly wants an array for every trace it is given, and `text` or symbols not every trace has.
    for (const [fields, kinds] of [[["x", "y"], [0]], [["x", "y", "text"], [1]], [["x", "y", "marker.symbol"], [2]]]) {
      const chosen = indices.map((trace, at) => [trace, at]).filter(([trace]) => kinds.includes(trace % TRACES));
      if (!chosen.length) continue;
      const part = Object.fromEntries(fields.map((field) => [field, chosen.map(([, at]) => updates[field][at])]));
      Plotly.extendTraces(element, part, chosen.map(([trace]) => trace));
    }
  }

  function append(lane, index, updates, indices) {
    const from = drawn[index].points;
    const part = series(lane, drawn[index]);
    const push = (trace, x, y, text, symbols) => {
      if (!x.length) return;
      indices.push(index * TRACES + trace);
      updates.x.push(x);
      updates.y.push(y);
      updates.text.push(text);
      updates["marker.symbol"].push(symbols);
    };
    const steps = lane.step.slice(from);
    if (smoothing) push(0, steps, part.raw, [], []);
    push(1, steps, smoothing ? part.smooth : part.raw, part.text, []);
    push(2, part.marks.x, part.marks.y, [], part.marks.symbol);
  }

  /** The points of a lane that are not drawn yet; `state` moves on past them. */
  function series(lane, state) {
    const raw = [];
    const smooth = [];
    const text = [];
    const marks = { x: [], y: [], symbol: [] };
    for (; state.points < lane.step.length; state.points++) {
      const at = state.points;
      const value = options.value(lane, at);
      const finite = value !== null && Number.isFinite(value);
      if (finite) {
        // An exponential mean without the pull of its first value (Adam's correction: Kingma and Ba 2014, section 3).
        state.mean = smoothing * state.mean + (1 - smoothing) * value;
        state.weight = smoothing ? state.weight * smoothing : 0;
        state.latest = value;
        extent = wider(extent, value);
      }
      raw.push(finite ? value : null);
      smooth.push(finite ? state.mean / (1 - state.weight) : null);
      text.push(lane.skipped[at] ? "  skipped" : "");
      const broke = value !== null && !finite && !state.broken;
      state.broken = value !== null && !finite;
      if ((lane.skipped[at] && value !== null) || broke) {
        marks.x.push(lane.step[at]);
        marks.y.push(finite ? value : state.latest);
        marks.symbol.push(lane.skipped[at] ? "triangle-down" : "x");
      }
    }
    return { raw, smooth, text, marks };
  }

  /** Draw everything anew, thinned where there are too many points. */
  function drawAnew() {
    if (!shown) return;
    dotted &&= shown.lanes.every((lane) => lane.step.length < SEEN_AS_LINE);
    const data = shown.lanes.flatMap((lane, index) => {
      const state = freshState();
      const part = series(lane, state);
      drawn[index] = state;
      const [raw, line, marks] = traces(lane, index);
      const main = smoothing ? part.smooth : part.raw;
      const kept = thinned(lane.step, main, MOST_POINTS);
      const pick = (values) => kept.map((at) => values[at]);
      if (smoothing) {
        const keptRaw = thinned(lane.step, part.raw, MOST_POINTS);
        raw.x = keptRaw.map((at) => lane.step[at]);
        raw.y = keptRaw.map((at) => part.raw[at]);
      }
      Object.assign(line, { x: pick(lane.step), y: pick(main), text: pick(part.text) });
      Object.assign(marks, { x: part.marks.x, y: part.marks.y });
      marks.marker.symbol = part.marks.symbol;
      return [raw, line, marks];
    });
    const more = shown.lanes.flatMap(extras);
    for (const trace of more) if (trace.mode !== "none") for (const y of trace.y) extent = wider(extent, y);
    Plotly.react(element, [...data, ...more], element.layout, CONFIG);
    if (extent.join() !== fitted) fit();
  }

  return {
    reset,
    update,
    redraw: pace.now,
    /** @param {number} amount from 0 (none) to below 1 */
    smooth(amount) {
      smoothing = amount;
      pace.now();
    },
    /** @param {"linear" | "log"} type */
    axis(type) {
      Plotly.relayout(element, { "yaxis.type": type, "yaxis.autorange": true });
    },
    /** @param {Set<number>} lanes that are not to be seen */
    hide(lanes) {
      hidden = lanes;
      const visible = element.data.map((trace) => !hidden.has(trace.meta));
      if (visible.length) Plotly.restyle(element, { visible });
    },
    theme() {
      Plotly.relayout(element, themed());
      pace.now();
    },
  };
}

/** The extent with a value in it. */
function wider([low, high], value) {
  return Number.isFinite(value) ? [Math.min(low, value), Math.max(high, value)] : [low, high];
}

/** What is known of a lane of which nothing is drawn. `mean` and `weight` are the smoothing's. */
function freshState() {
  return { points: 0, mean: 0, weight: 1, latest: 0, broken: false };
}
