/** "What happened": before a run what to look for, then one line a lane of the run's own sentences. */

import { make, setText, swatch } from "../shared/dom.js";
import { convertedWords, supportWords } from "./legend.js";

/** @param {HTMLElement} panel */
export function create(panel) {
  const list = panel.querySelector(".happened-list");
  const hint = panel.querySelector(".happened-hint");
  /** @type {HTMLElement[]} */
  let items = [];

  /** @param {{question: string, answer: string} | undefined} preset */
  function invite(preset) {
    hint.replaceChildren(
      ...(preset ? [make("strong", {}, preset.question), ` ${preset.answer}`] : ["Press Run to start these settings."]),
    );
    hint.hidden = false;
    list.replaceChildren();
  }

  function reset(run) {
    hint.hidden = true;
    items = run.lanes.map(() => make("span"));
    list.replaceChildren(...run.lanes.map((lane, index) => item(lane, index, items[index])));
    update(run);
  }

  function update(run) {
    run.lanes.forEach((lane, index) => {
      const said = [...run.diagnoses.values()].filter((event) => event.lane === index).map((event) => event.sentence);
      if (lane.finished?.message) said.push(lane.finished.message);
      if (items[index]) setText(items[index], said.join(" ") || standing(lane, run));
    });
  }

  return { invite, reset, update };
}

/** A lane's line: its swatch, its name, whether its formats are the machine's own, and its sentences. */
function item(lane, index, sentences) {
  const words = make("span", {}, make("strong", {}, lane.name), " ");
  if (lane.support === "emulated") {
    words.append(make("small", { class: "badge", title: supportWords(lane) }, "emulated"), " ");
  }
  const converted = convertedWords(lane);
  if (converted) {
    const summary = make("summary", { class: "badge" }, converted.replace(/;.*/, "").toLowerCase().replace(/\.$/, ""));
    words.append(make("details", { class: "converted" }, summary, `${converted} ${lane.converted.join(", ")}`), " ");
  }
  words.append(sentences);
  return make("li", {}, swatch(index), words);
}

/** What can be said of a lane that has no diagnosis. */
function standing(lane, run) {
  const loss = lane.loss.at(-1);
  const now = Number.isFinite(loss) ? `loss ${loss.toFixed(3)} at step ${lane.step.at(-1)}` : "";
  if (lane.finished || run.ended) return now ? `${now}.` : "no step was recorded.";
  return now || "about to start …";
}
