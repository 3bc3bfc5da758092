/**
 * The updates panel: over the steps the share of weights that an update left as they were, and of the latest sample how
 * large updates are in units of the last place of the weights they are added to.
 */

import { DASHES, colour, laneColour } from "../shared/palette.js";
import { CONFIG, keepSized, layout, paced, plain, themed } from "../shared/plots.js";
import { createFetched } from "./fetched.js";

/** Parts that the bins of a histogram are counted in, as the server does. */
const PER = 10_000;
/** Milliseconds between two drawings. */
const REDRAW = 400;

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 * @param {import("./panels.js").Tools} tools
 */
export async function create(Plotly, panel, tools) {
  const element = panel.querySelector(".plot");
  const pace = paced(draw, REDRAW);
  const fetched = createFetched("updates", (run) => run.last, pace.now);
  let hidden = new Set();
  let run = null;
  let points = -1;

  const base = layout("step", "weights left unchanged (%)");
  await Plotly.newPlot(
    element,
    [],
    {
      ...base,
      margin: { ...base.margin, t: 12 },
      hovermode: "closest",
      xaxis: { ...base.xaxis, domain: [0, 0.44], rangemode: "tozero" },
      yaxis: { ...base.yaxis, range: [-3, 103], autorange: false },
      xaxis2: { ...base.xaxis, domain: [0.58, 1], anchor: "y2", title: { text: "|update| / ulp", standoff: 4 }, tickprefix: "2<sup>", ticksuffix: "</sup>", tickformat: "d" },
      yaxis2: { ...base.yaxis, anchor: "x2", title: { text: "weights (%)", standoff: 4 }, rangemode: "tozero" },
    },
    CONFIG,
  );
  theme();
  keepSized(Plotly, element);

  function theme() {
    const colours = themed();
    const second = Object.entries(colours).filter(([name]) => /^[xy]axis\./.test(name));
    const both = second.map(([name, value]) => [name.replace("axis.", "axis2."), value]);
    Plotly.relayout(element, { ...colours, ...Object.fromEntries(both) });
  }

  function draw() {
    if (!run) return;
    points = count(run);
    const lanes = run.lanes.map((lane, index) => ({ lane, index })).filter(({ index }) => !hidden.has(index));
    const traces = lanes.flatMap(({ lane, index }) => [share(lane, index), sizes(fetched.lanes?.[index], lane, index)]);
    const steps = Math.max(run.started.config.steps - 1, 1);
    const now = element.layout;
    Plotly.react(
      element,
      traces,
      {
        ...now,
        xaxis: { ...now.xaxis, autorange: false, range: [-0.02 * steps, 1.02 * steps] },
        xaxis2: { ...now.xaxis2, autorange: false, range: mostOf(lanes.map(({ index }) => latest(fetched.lanes?.[index]))) },
        shapes: [half()],
        annotations: [beside()],
      },
      CONFIG,
    );
    tools.changed();
  }

  return {
    reset(next) {
      run = next;
      points = -1;
      fetched.look(run);
      pace.now();
    },
    update(next) {
      run = next;
      fetched.look(run);
      if (count(run) !== points) pace.soon();
    },
    hide(lanes) {
      hidden = lanes;
      pace.now();
    },
    theme() {
      theme();
      pace.now();
    },
    empty: (current) =>
      count(current) ? "" : current.ended ? "No update was sampled in this run." : current.started ? "Not sampled yet …" : null,
    summary,
  };
}

function count(run) {
  return run.lanes.reduce((sum, lane) => sum + lane.updates.length, 0);
}

function share(lane, index) {
  const sampled = lane.updates.filter(([, sample]) => Number.isFinite(sample.unchanged_fraction));
  return {
    type: "scatter",
    mode: "lines+markers",
    name: plain(lane.name),
    x: sampled.map(([step]) => step),
    y: sampled.map(([, sample]) => 100 * sample.unchanged_fraction),
    line: { color: laneColour(index), dash: DASHES[index % DASHES.length], width: 2 },
    marker: { size: 4, color: laneColour(index) },
    hovertemplate: "step %{x}: %{y:.3~g} % unchanged",
  };
}

function latest(data) {
  return data?.histogram.findLast(Boolean) ?? [0];
}

/** Powers of two between which all bins lie that hold a hundredth of a lane's weights; a few lie far outside. */
function mostOf(histograms) {
  let low = -3;
  let high = 3;
  for (const [first, ...bins] of histograms) {
    bins.forEach((part, at) => {
      if (part < PER / 100) return;
      low = Math.min(low, first + at - 1);
      high = Math.max(high, first + at + 2);
    });
  }
  return [low - 1, high + 1];
}

/** The latest histogram of a lane, as a line of steps. */
function sizes(data, lane, index) {
  const histogram = latest(data);
  const [low, ...bins] = histogram;
  const step = data?.step[data.histogram.lastIndexOf(histogram)];
  return {
    type: "scatter",
    mode: "lines",
    name: plain(lane.name),
    showlegend: false,
    xaxis: "x2",
    yaxis: "y2",
    // A bin holds updates from 2^e up to 2^(e + 1) ulp.
    x: bins.length ? [low, ...bins.map((_, at) => low + at), low + bins.length] : [],
    y: bins.length ? [0, ...bins.map((part) => (100 * part) / PER), 0] : [],
    line: { color: laneColour(index), dash: DASHES[index % DASHES.length], width: 2, shape: "hv" },
    hovertemplate: `from 2<sup>%{x}</sup> ulp: %{y:.3~g} %<extra>${plain(lane.name)}, step ${step ?? ""}</extra>`,
  };
}

/** An update under half a unit in the last place is rounded away. */
function half() {
  const line = { color: colour("plot-ink"), width: 1, dash: "dash" };
  return { type: "line", xref: "x2", yref: "y2 domain", x0: -1, x1: -1, y0: 0, y1: 1, line };
}

function beside() {
  const place = { xref: "x2", yref: "y2 domain", x: -1, y: 1, xanchor: "right", yanchor: "top", xshift: -3 };
  return { ...place, text: "rounded<br>away", align: "right", showarrow: false, font: { size: 10, color: colour("plot-text") } };
}

/** @param {import("./run.js").Run} run */
function summary(run) {
  return run.lanes
    .map((lane) => {
      const sampled = lane.updates.filter(([, sample]) => Number.isFinite(sample.unchanged_fraction));
      if (!sampled.length) return "";
      const [step, { unchanged_fraction: unchanged }] = sampled.at(-1);
      return `${lane.name}: ${(100 * unchanged).toPrecision(3)} % of the weights left unchanged at step ${step}.`;
    })
    .join(" ");
}
