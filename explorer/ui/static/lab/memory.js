/** The memory panel: a bar a lane, stacked by what holds the bytes, and a mark at the step's measured peak. */

import { humanBytes, unitFor } from "../shared/bytes.js";
import { make } from "../shared/dom.js";
import { MEMORY_PARTS, colour } from "../shared/palette.js";
import { CONFIG, barAxis, keepSized, layout, paced, themed } from "../shared/plots.js";

/** Milliseconds between two drawings. */
const REDRAW = 300;
const PEAK =
  "The most that was alive at one moment of a step. The parts reach their most at different moments, so that their sum can be larger.";

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 */
export async function create(Plotly, panel) {
  const element = panel.querySelector(".plot");
  const legend = panel.querySelector(".legend");
  for (const [part, words] of MEMORY_PARTS) legend.append(make("li", { "data-part": part, hidden: true }, words));
  legend.append(make("li", { "data-part": "total", title: PEAK, hidden: true }, "peak"));
  const base = layout("memory", "");
  let hidden = new Set();
  let shown = null;
  const pace = paced(draw, REDRAW);

  await Plotly.newPlot(element, [], base, CONFIG);
  Plotly.relayout(element, themed());
  keepSized(Plotly, element);

  function reset(run) {
    shown = run;
    pace.now();
  }

  function update(run) {
    shown = run;
    pace.soon();
  }

  function draw() {
    if (!shown) return;
    const lanes = shown.lanes.map((lane, index) => ({ lane, index })).filter(({ index }) => !hidden.has(index));
    const sampled = lanes.filter(({ lane }) => lane.memory.length);
    const latest = sampled.map(({ lane }) => lane.memory.at(-1));
    const sum = (parts) => MEMORY_PARTS.reduce((total, [part]) => total + (parts[part] ?? 0), 0);
    const unit = unitFor(Math.max(1, ...latest.map(([, parts]) => Math.max(sum(parts), parts.total ?? 0))));
    const rows = sampled.map((_, row) => row);
    const bars = MEMORY_PARTS.map(([part, words]) => ({
      type: "bar",
      orientation: "h",
      name: words,
      x: latest.map(([, parts]) => (parts[part] ?? 0) / unit.bytes),
      y: rows,
      text: latest.map(([, parts]) => humanBytes(parts[part] ?? 0)),
      textposition: "none",
      hovertemplate: `%{text}<extra>${words}</extra>`,
      marker: { color: colour(`memory-${part}`), line: { width: 1, color: colour("panel-fill") } },
      width: 0.62,
    }));
    const totals = latest.map(([, parts]) => parts.total ?? 0);
    const peak = {
      type: "scatter",
      mode: "markers",
      name: "peak of a step",
      x: totals.map((total) => total / unit.bytes),
      y: rows,
      text: totals.map(humanBytes),
      hovertemplate: "%{text}, the most alive at one moment<br>(the parts peak at different moments)<extra>peak of a step</extra>",
      marker: { symbol: "line-ns-open", size: 26, color: colour("plot-ink"), line: { width: 2 } },
    };
    const words = {
      type: "scatter",
      mode: "text",
      showlegend: false,
      x: latest.map(([, parts]) => Math.max(sum(parts), parts.total ?? 0) / unit.bytes),
      y: rows,
      text: totals.map((total) => `  ${humanBytes(total)}`),
      textposition: "middle right",
      textfont: { color: colour("plot-ink"), size: 11 },
      hoverinfo: "skip",
      cliponaxis: false,
    };
    for (const item of legend.children) {
      const part = item.dataset.part;
      item.hidden = !latest.some(([, parts]) => parts[part]);
    }
    const most = Math.max(0, ...latest.map(([, parts]) => Math.max(sum(parts), parts.total ?? 0))) / unit.bytes;
    // Room for the words behind a bar, which are as wide on a phone as anywhere.
    const room = 1 + 70 / Math.max(element.clientWidth - 190, 60);
    const now = element.layout;
    Plotly.react(
      element,
      [...bars, peak, words],
      {
        ...now,
        barmode: "stack",
        hovermode: "closest",
        dragmode: false,
        xaxis: { ...now.xaxis, title: { text: `memory (${unit.name})`, standoff: 4 }, autorange: false, range: [0, most * room || 1] },
        yaxis: barAxis(now.yaxis, sampled.map(({ lane }) => lane.name)),
      },
      CONFIG,
    );
  }

  return {
    reset,
    update,
    hide(lanes) {
      hidden = lanes;
      pace.now();
    },
    theme() {
      Plotly.relayout(element, themed());
      pace.now();
    },
    empty: (run) => (run.lanes.some((lane) => lane.memory.length) ? "" : null),
    summary: (run) =>
      run.lanes
        .filter((lane) => lane.memory.length)
        .map((lane) => {
          const parts = lane.memory.at(-1)[1];
          const words = MEMORY_PARTS.map(([part, name]) => `${name} ${humanBytes(parts[part] ?? 0)}`).join(", ");
          return `${lane.name}: peak ${humanBytes(parts.total ?? 0)}; ${words}.`;
        })
        .join(" "),
  };
}
