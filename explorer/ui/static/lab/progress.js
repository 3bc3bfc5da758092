/** The line above the plots: how far the run is, how long it took and will take, or why nothing moves. */

import { setText } from "../shared/dom.js";
import { progress } from "./run.js";

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

/** @param {HTMLElement} line */
export function create(line) {
  const words = line.querySelector("[data-progress-words]");
  const bar = line.querySelector("[data-progress-bar]");
  const fill = bar.firstElementChild;
  const times = line.querySelector("[data-progress-time]");

  function fraction(value) {
    bar.hidden = value === null;
    fill.style.width = `${100 * (value ?? 0)}%`;
    bar.setAttribute("aria-valuenow", String(Math.round(100 * (value ?? 0))));
  }

  return {
    /** Words in place of a run's progress. @param {string} text */
    say(text) {
      setText(words, text);
      setText(times, "");
      fraction(null);
    },
    /** @param {import("./run.js").Run} run */
    update(run) {
      const now = progress(run);
      setText(words, run.ended ? ending(run, now) : `step ${now.step} of ${now.steps}`);
      fraction(run.ended?.type === "run_finished" ? 1 : now.fraction);
      const left = now.left === null || now.elapsed < 0.5 ? "" : `, ${duration(now.left)} left`;
      setText(times, `${duration(now.elapsed)}${left}`);
    },
  };
}

function ending(run, now) {
  if (run.ended.type === "run_finished") return `finished ${now.steps} steps`;
  const how = { cancelled: "stopped", interrupted: "interrupted", "timed-out": "timed out" }[run.ended.kind] ?? "failed";
  if (!run.started) return `${how} before the first step`;
  return `${how} at step ${now.step} of ${now.steps}`;
}
