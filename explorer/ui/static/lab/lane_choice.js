/** A small menu of a run's lanes, for panels that show one lane at a time. */

import { make } from "../shared/dom.js";

/**
 * @param {HTMLSelectElement} select
 * @param {() => void} onChange
 */
export function createLaneChoice(select, onChange) {
  select.addEventListener("change", onChange);
  return {
    /** @param {import("./run.js").Run} run */
    reset(run) {
      select.replaceChildren(...run.lanes.map((lane, index) => make("option", { value: index }, lane.name)));
      select.hidden = run.lanes.length < 2;
    },
    /** The chosen lane's index. */
    get lane() {
      return Number(select.value) || 0;
    },
  };
}
