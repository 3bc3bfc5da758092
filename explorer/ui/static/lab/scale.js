/** The scale factor panel: the power of two that a lane's loss is multiplied by, and where a step was skipped. */

import { setText } from "../shared/dom.js";
import { createLines } from "./lines.js";

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 */
export async function create(Plotly, panel) {
  const lines = await createLines(Plotly, panel.querySelector(".plot"), {
    yTitle: "scale factor (log2)",
    value: (lane, index) => (lane.scale[index] === null ? null : Math.log2(lane.scale[index])),
    hover: "2<sup>%{y:.4~f}</sup>",
    line: { shape: "hv" },
    yaxis: { tickprefix: "2<sup>", ticksuffix: "</sup>", tickformat: "d" },
    range: wholePowers,
  });
  const note = panel.querySelector(".panel-note");
  return {
    ...lines,
    reset(run) {
      const without = run.lanes.filter((lane) => !lane.scaled).map((lane) => lane.name);
      setText(note, without.length && without.length < run.lanes.length ? `no scaler: ${without.join(", ")}` : "");
      return lines.reset(run);
    },
    /** What stands in place of the plot, where there can be none. */
    empty: (run) =>
      run.started && run.lanes.every((lane) => !lane.scaled)
        ? "No lane of this run scales its loss. Choose FP16 autocast with its scaler enabled to see one."
        : run.lanes.some((lane) => lane.scaled && lane.step.length)
          ? ""
          : null,
    summary,
  };
}

/** An axis on whole powers of two, with room above and below. */
function wholePowers(low, high) {
  const range = [Math.floor(low) - 1, Math.ceil(high) + 1];
  return { range, dtick: Math.max(1, Math.ceil((range[1] - range[0]) / 7)), tick0: 0 };
}

/** The plot in words. @param {import("./run.js").Run} run */
function summary(run) {
  return run.lanes
    .filter((lane) => lane.scaled && lane.scale.length)
    .map((lane) => {
      const power = (scale) => `2 to the power of ${Number(Math.log2(scale).toFixed(2))}`;
      const skipped = lane.skipped.reduce((sum, one) => sum + one, 0);
      return `${lane.name}: scale from ${power(lane.scale[0])} to ${power(lane.scale.at(-1))}, ${skipped} steps skipped.`;
    })
    .join(" ");
}
