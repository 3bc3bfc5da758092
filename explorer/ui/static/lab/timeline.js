/** The timeline panel: the bytes of one step over its time, stacked by what holds them. One lane at a time. */

import { humanBytes, unitFor } from "../shared/bytes.js";
import { make } from "../shared/dom.js";
import { MEMORY_PARTS, colour } from "../shared/palette.js";
import { CONFIG, keepSized, layout, themed } from "../shared/plots.js";
import { createFetched } from "./fetched.js";
import { createLaneChoice } from "./lane_choice.js";

const PARTS = [...MEMORY_PARTS, ["other", "other"]];
const PHASES = [
  ["forward_end", "forward"],
  ["backward_end", "backward"],
  ["step_end", "optimizer"],
];

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 * @param {import("./panels.js").Tools} tools
 */
export async function create(Plotly, panel, tools) {
  const element = panel.querySelector(".plot");
  const legend = panel.querySelector(".legend");
  for (const [part, words] of PARTS) legend.append(make("li", { "data-part": part, hidden: true }, words));
  const choice = createLaneChoice(panel.querySelector("[data-lane-choice]"), changed);
  const fetched = createFetched("timeline", (run) => run.apart.timeline ?? 0, changed);
  let run = null;

  await Plotly.newPlot(element, [], layout("time of one step (ms)", "memory"), CONFIG);
  Plotly.relayout(element, themed());
  keepSized(Plotly, element);

  function changed() {
    draw();
    tools.changed();
  }

  function draw() {
    const data = fetched.lanes?.[choice.lane];
    for (const item of legend.children) item.hidden = !data?.columns[item.dataset.part]?.some(Boolean);
    if (!data) return;
    const { time_ms: time, ...columns } = data.columns;
    const totals = time.map((_, at) => PARTS.reduce((sum, [part]) => sum + (columns[part]?.[at] ?? 0), 0));
    const unit = unitFor(Math.max(1, ...totals));
    const traces = PARTS.filter(([part]) => columns[part]?.some(Boolean)).map(([part, words]) => ({
      type: "scatter",
      mode: "lines",
      stackgroup: "bytes",
      name: words,
      x: time,
      y: columns[part].map((bytes) => bytes / unit.bytes),
      text: columns[part].map(humanBytes),
      hovertemplate: `${words} %{text}<extra></extra>`,
      line: { width: 0.5, color: colour(`memory-${part}`), shape: "hv" },
      fillcolor: colour(`memory-${part}`),
    }));
    const now = element.layout;
    const end = Math.max(time.at(-1) ?? 0, data.marks.step_end ?? 0);
    Plotly.react(
      element,
      traces,
      {
        ...now,
        margin: { ...now.margin, t: 20 },
        xaxis: { ...now.xaxis, autorange: false, range: [0, end || 1], unifiedhovertitle: { text: "%{x:.3~f} ms" } },
        yaxis: { ...now.yaxis, title: { text: `memory (${unit.name})`, standoff: 6 }, rangemode: "tozero", autorange: true },
        shapes: PHASES.slice(0, 2).map(([mark]) => upright(data.marks[mark])),
        annotations: PHASES.map(([mark, words], at) => phase(words, at ? data.marks[PHASES[at - 1][0]] : 0, data.marks[mark], end)),
      },
      CONFIG,
    );
  }

  return {
    reset(next) {
      run = next;
      choice.reset(run);
      Plotly.react(element, [], { ...element.layout, shapes: [], annotations: [] }, CONFIG);
      fetched.look(run);
    },
    update(next) {
      run = next;
      fetched.look(run);
    },
    // One lane is shown, whichever are hidden elsewhere.
    hide() {},
    theme() {
      Plotly.relayout(element, themed());
      draw();
    },
    empty: () => fetched.empty(Boolean(fetched.lanes?.[choice.lane]), "No timeline was recorded in this run."),
    summary: () => (fetched.lanes ?? []).map((data, index) => sentence(data, run.lanes[index])).join(" "),
  };
}

function upright(time) {
  const line = { color: colour("plot-ink"), width: 1, dash: "dash" };
  return { type: "line", yref: "paper", x0: time, x1: time, y0: 0, y1: 1, line };
}

/** The name of a phase over its part of the step; left out where there is no room for it. */
function phase(text, from, to, end) {
  const font = { size: 10.5, color: colour("plot-text") };
  const visible = (to - from) / (end || 1) > 0.1;
  return { text, x: (from + to) / 2, y: 1, yref: "paper", yanchor: "bottom", showarrow: false, font, visible };
}

/** A lane's timeline in words. */
function sentence(data, lane) {
  if (!data) return "";
  const { time_ms: time, ...columns } = data.columns;
  const totals = time.map((_, at) => PARTS.reduce((sum, [part]) => sum + (columns[part]?.[at] ?? 0), 0));
  const peak = totals.reduce((most, total, at) => (total > totals[most] ? at : most), 0);
  const largest = PARTS.toSorted(([a], [b]) => (columns[b]?.[peak] ?? 0) - (columns[a]?.[peak] ?? 0))[0][1];
  return `${lane.name}: at most ${humanBytes(totals[peak] ?? 0)}, ${(time[peak] ?? 0).toFixed(1)} ms into the step, most of it ${largest}.`;
}
