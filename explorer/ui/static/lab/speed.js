/** The speed panel: the time of a step, a bar a lane in three parts, and what rate that comes to. */

import { make } from "../shared/dom.js";
import { PHASES, colour } from "../shared/palette.js";
import { CONFIG, barAxis, keepSized, layout, paced, themed } from "../shared/plots.js";

/** Milliseconds between two drawings. */
const REDRAW = 400;

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 */
export async function create(Plotly, panel) {
  const element = panel.querySelector(".plot");
  const legend = panel.querySelector(".legend");
  legend.append(...PHASES.map(([phase, words]) => make("li", { "data-phase": phase }, words)));
  const emulated = make("li", { class: "legend-words", hidden: true }, "≈ emulated: not the format's speed");
  legend.append(emulated);
  let hidden = new Set();
  let run = null;
  let points = -1;
  const pace = paced(draw, REDRAW);

  const base = layout("time of a step (ms)", "");
  await Plotly.newPlot(element, [], { ...base, hovermode: "closest", dragmode: false, barmode: "stack" }, CONFIG);
  Plotly.relayout(element, themed());
  keepSized(Plotly, element);

  function draw() {
    if (!run?.started) return;
    points = count(run);
    const lanes = run.lanes
      .map((lane, index) => ({ lane, index, speed: speedOf(lane, run) }))
      .filter(({ index, speed }) => speed && !hidden.has(index));
    emulated.hidden = !lanes.some(({ lane }) => lane.support === "emulated");
    const rows = lanes.map((_, row) => row);
    const bars = PHASES.map(([phase, words]) => ({
      type: "bar",
      orientation: "h",
      name: words,
      x: lanes.map(({ speed }) => speed[phase]),
      y: rows,
      width: 0.62,
      marker: { color: colour(`phase-${phase}`), line: { width: 1, color: colour("panel-fill") } },
      hovertemplate: `%{x:.3~g} ms<extra>${words}</extra>`,
    }));
    const figures = {
      type: "scatter",
      mode: "text",
      showlegend: false,
      x: lanes.map(({ speed }) => speed.total),
      y: rows,
      text: lanes.map(({ speed, lane }) => figure(speed, lane)),
      textposition: "middle right",
      textfont: { color: colour("plot-ink"), size: 11 },
      hoverinfo: "skip",
      cliponaxis: false,
    };
    const most = Math.max(0, ...lanes.map(({ speed }) => speed.total));
    // Room for the figures behind a bar, which are as wide on a phone as anywhere.
    const room = 1 + 165 / Math.max(element.clientWidth - 300, 60);
    const now = element.layout;
    Plotly.react(
      element,
      [...bars, figures],
      {
        ...now,
        xaxis: { ...now.xaxis, autorange: false, range: [0, most * room || 1] },
        yaxis: barAxis(now.yaxis, lanes.map(({ lane }) => lane.name)),
      },
      CONFIG,
    );
  }

  return {
    reset(next) {
      run = next;
      points = -1;
      pace.now();
    },
    update(next) {
      run = next;
      if (count(run) !== points) pace.soon();
    },
    hide(lanes) {
      hidden = lanes;
      pace.now();
    },
    theme() {
      Plotly.relayout(element, themed());
      pace.now();
    },
    empty: (current) =>
      count(current) ? "" : current.ended ? "No speed was sampled in this run." : current.started ? "Not sampled yet …" : null,
    summary: (current) =>
      current.lanes
        .map((lane) => {
          const speed = speedOf(lane, current);
          if (!speed) return "";
          const phases = PHASES.map(([phase, name]) => `${name} ${speed[phase].toPrecision(3)} ms`).join(", ");
          return `${lane.name}: ${phases}; ${words(speed).join("; ")}${lane.support === "emulated" ? ", emulated: not the format's speed" : ""}.`;
        })
        .join(" "),
  };
}

function count(run) {
  return run.lanes.reduce((sum, lane) => sum + lane.speed.length, 0);
}

/**
 * A lane's median step; null before its first sample.
 * @param {import("./run.js").Lane} lane
 * @param {import("./run.js").Run} run
 */
export function speedOf(lane, run) {
  if (!lane.speed.length) return null;
  // The first step makes the optimizer's state, and tells nothing of those that follow.
  const samples = (lane.speed.length > 1 ? lane.speed.filter(([step]) => step > 0) : lane.speed).map(([, sample]) => sample);
  const of = (field) => median(samples.map((sample) => sample[field]).filter(Number.isFinite));
  const phases = Object.fromEntries(PHASES.map(([phase]) => [phase, of(`${phase}_ms`) ?? 0]));
  const total = phases.forward + phases.backward + phases.optimizer;
  const batch = run.started.config.batch_size * (run.started.config.accumulation_steps ?? 1);
  return { ...phases, total, samples: total ? (1e3 * batch) / total : 0, gflops: of("gflops"), share: of("matmul_share") };
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : null;
}

/** The rates of a lane, a text each. */
function words(speed) {
  const rate = (value) => (value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3));
  const share = speed.share === null ? "" : `, ${(100 * speed.share).toPrecision(2)} % of the matmul rate`;
  return [
    `${rate(speed.samples)} samples/s`,
    ...(speed.gflops === null ? [] : [`${rate(speed.gflops)} GFLOP/s${share}`]),
  ];
}

function figure(speed, lane) {
  const [first, ...rest] = words(speed);
  const mark = lane.support === "emulated" ? "≈ " : "";
  return [`  ${mark}${speed.total.toPrecision(3)} ms, ${first}`, ...rest.map((each) => `  ${each.replace(" of the matmul rate", " of matmul")}`)].join("<br>");
}
