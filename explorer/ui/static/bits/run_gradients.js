/** The gradients of recorded runs: the list of runs, and the histograms that a run sampled. */

import { BadInput } from "../shared/bad-input.js";

/**
 * @typedef {object} Sample one step's activation gradients, as the compute format held them, so times the loss scale
 * @property {number} step
 * @property {number | null} lossScale null in a lane without scaler
 * @property {number} low floor(log2|g|) of the first bin
 * @property {number[]} counts
 * @property {number} zeroShare of all gradients
 * @property {number} nonfiniteShare
 *
 * @typedef {{id: string, model: string, lanes: {name: string, samples: Sample[]}[]}} Run
 */

/**
 * The latest runs of this server.
 * @returns {Promise<{id: string, model: string, lanes: string[], state: string, steps: number, started: number}[]>}
 */
export async function listRuns() {
  const answer = await ask("runs.json");
  return answer.json();
}

/** @param {string} id @returns {Promise<Run>} */
export async function fetchRun(id) {
  const answer = await ask(`runs/${encodeURIComponent(id)}.jsonl`, `There is no run ${id.slice(0, 40)} here any more.`);
  return readRun(id, await answer.text());
}

async function ask(path, unknown = "This server keeps no runs.") {
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI));
  } catch {
    throw new BadInput("The server does not answer. Everything but its runs works without it.");
  }
  if (answer.status === 404) throw new BadInput(unknown);
  if (!answer.ok) throw new BadInput(`The server refused with ${answer.status}.`);
  return answer;
}

/**
 * The gradient samples in a run's events.
 * @param {string} id
 * @param {string} lines one event a line
 * @returns {Run}
 * @throws {BadInput}
 */
export function readRun(id, lines) {
  /** @type {Run} */
  const run = { id, model: "", lanes: [] };
  for (const line of lines.split("\n")) {
    // Most steps are not sampled, and need not be parsed.
    if (!line.includes('"gradients":{') && !line.includes('"run_started"')) continue;
    const event = parsed(line);
    if (event?.type === "run_started") {
      run.model = event.config?.model ?? "";
      run.lanes = event.lanes.map(({ name }) => ({ name, samples: [] }));
    } else if (event?.type === "step" && Array.isArray(event.gradients?.histogram?.counts)) {
      run.lanes[event.lane]?.samples.push(sample(event));
    }
  }
  if (!run.lanes.some(({ samples }) => samples.length)) {
    throw new BadInput("This run has recorded no gradients yet.");
  }
  return run;
}

/** The event, or nothing: the last line of a run that goes on may be cut. */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

function sample({ step, scale, gradients }) {
  return {
    step,
    lossScale: typeof scale === "number" ? scale : null,
    low: gradients.histogram.low,
    counts: gradients.histogram.counts,
    zeroShare: gradients.zero_fraction,
    nonfiniteShare: gradients.nonfinite_fraction,
  };
}
