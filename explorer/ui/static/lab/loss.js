/** The loss panel: a line a lane, a gap and a cross where the loss is not finite, marks on skipped steps. */

import { createLines } from "./lines.js";

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 */
export async function create(Plotly, panel) {
  const lines = await createLines(Plotly, panel.querySelector(".plot"), {
    yTitle: "loss (nats)",
    value: (lane, index) => lane.loss[index],
    hover: "%{y:.4f}",
  });
  const axis = panel.querySelector("[data-axis]");
  axis.addEventListener("click", () => {
    const log = axis.getAttribute("aria-pressed") !== "true";
    axis.setAttribute("aria-pressed", String(log));
    lines.axis(log ? "log" : "linear");
  });
  const smoothing = panel.querySelector("[data-smoothing]");
  smoothing.addEventListener("input", () => lines.smooth(Number(smoothing.value)));
  return { ...lines, summary };
}

/** The plot in words. @param {import("./run.js").Run} run */
function summary(run) {
  return run.lanes.map((lane) => `${lane.name}: ${sentence(lane)}`).join(" ");
}

function sentence(lane) {
  const count = lane.loss.length;
  if (!count) return "no step yet.";
  const words = (loss) => (Number.isFinite(loss) ? loss.toFixed(3) : "not a finite number");
  return `loss ${words(lane.loss[0])} at the first step, ${words(lane.loss[count - 1])} at step ${lane.step[count - 1]}.`;
}
