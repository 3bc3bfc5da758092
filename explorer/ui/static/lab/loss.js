/**
 * The loss panel: a line a lane, a gap and a cross where the loss is not finite, marks on skipped steps. Of a burst over
 * several seeds the line is their mean, in a band of one standard deviation; evaluated losses are dots.
 */

import { createLines } from "./lines.js";
import { overSeeds } from "./run.js";
import { setText } from "../shared/dom.js";

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 */
export async function create(Plotly, panel) {
  const lines = await createLines(Plotly, panel.querySelector(".plot"), {
    yTitle: "loss (nats)",
    value: (lane, index) => (lane.others.length ? mean(lane, index) : lane.loss[index]),
    hover: "%{y:.4f}",
    extras: (lane) => [...band(lane), ...(evaluated ? evaluations(lane) : [])],
  });
  const note = panel.querySelector(".panel-note");
  const toggle = panel.querySelector("[data-evaluated]");
  let evaluated = true;
  toggle.addEventListener("click", () => {
    evaluated = !evaluated;
    toggle.setAttribute("aria-pressed", String(evaluated));
    lines.redraw();
  });
  const axis = panel.querySelector("[data-axis]");
  axis.addEventListener("click", () => {
    const log = axis.getAttribute("aria-pressed") !== "true";
    axis.setAttribute("aria-pressed", String(log));
    lines.axis(log ? "log" : "linear");
  });
  const smoothing = panel.querySelector("[data-smoothing]");
  smoothing.addEventListener("input", () => lines.smooth(Number(smoothing.value)));
  return {
    ...lines,
    reset(run) {
      const seeds = run.started?.config.seeds ?? 1;
      setText(note, seeds > 1 ? `mean of ${seeds} seeds ± deviation` : "");
      note.title = seeds > 1 ? `The line is the mean over ${seeds} seeds, the band one standard deviation to either side` : "";
      toggle.hidden = true;
      return lines.reset(run);
    },
    update(run) {
      toggle.hidden = !run.lanes.some((lane) => lane.eval.length);
      lines.update(run);
    },
    empty: (run) => (run.lanes.some((lane) => lane.step.length) ? "" : null),
    summary,
  };
}

/** The mean over the seeds; null while one of them has not come to the step. */
function mean(lane, at) {
  return lane.others.some((seed) => seed.length <= at) ? null : (overSeeds(lane, at)?.mean ?? NaN);
}

/** The area of one standard deviation around the mean over the seeds: a line down there and one back. */
function band(lane) {
  if (!lane.others.length) return [];
  const x = [];
  const low = [];
  const high = [];
  lane.step.forEach((step, at) => {
    const over = overSeeds(lane, at);
    if (!over) return;
    x.push(step);
    low.push(over.mean - over.deviation);
    high.push(over.mean + over.deviation);
  });
  const common = { mode: "none", hoverinfo: "skip" };
  return [
    { ...common, x: [...x, ...x.toReversed()], y: [...high, ...low.toReversed()], fill: "toself" },
  ];
}

/** The loss on text or images that are not trained on: as the weights are stored, and as the lane trains. */
function evaluations(lane) {
  if (!lane.eval.length) return [];
  const x = lane.eval.map(([step]) => step);
  const of = (field) => lane.eval.map(([, sample]) => (Number.isFinite(sample[field]) ? sample[field] : null));
  return [
    { x, y: of("loss"), mode: "markers", marker: { size: 6 }, hovertemplate: "%{y:.4f} evaluated in float32" },
    {
      x,
      y: of("autocast_loss"),
      mode: "markers",
      marker: { size: 10, symbol: "circle-open", line: { width: 1 } },
      hovertemplate: "%{y:.4f} evaluated as trained",
    },
  ];
}

/** The plot in words. @param {import("./run.js").Run} run */
function summary(run) {
  return run.lanes.map((lane) => `${lane.name}: ${sentence(lane)}`).join(" ");
}

function sentence(lane) {
  const count = lane.loss.length;
  if (!count) return "no step yet.";
  const words = (loss) => (Number.isFinite(loss) ? loss.toFixed(3) : "not a finite number");
  const from = `loss ${words(lane.loss[0])} at the first step, ${words(lane.loss[count - 1])} at step ${lane.step[count - 1]}`;
  const over = lane.others.length ? overSeeds(lane, Math.min(count, ...lane.others.map((seed) => seed.length)) - 1) : null;
  const seeds = over ? `; ${over.mean.toFixed(3)} ± ${over.deviation.toFixed(3)} over ${lane.others.length + 1} seeds` : "";
  const [step, last] = lane.eval.at(-1) ?? [];
  const evaluated = last ? `; evaluated at step ${step} ${words(last.loss)}, as trained ${words(last.autocast_loss)}` : "";
  return `${from}${seeds}${evaluated}.`;
}
