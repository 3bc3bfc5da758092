/**
 * The accumulated state of one run, built by applying the frames of its stream in order.
 * Nothing here touches the page, so a run can be replayed anywhere.
 */

/**
 * @typedef {object} Lane
 * @property {string} name
 * @property {string} recipe
 * @property {string} support "native" or "emulated"
 * @property {boolean} scaled whether a loss scale is in use
 * @property {Record<string, string>} formats role in `bits` to format name
 * @property {number[]} step
 * @property {(number | null)[]} loss
 * @property {(number | null)[]} scale
 * @property {number[]} skipped 0 or 1
 * @property {(number | null)[]} grad_norm
 * @property {number[]} step_ms
 * @property {[number, Record<string, number>][]} memory
 * @property {[number, Record<string, number | null>][]} updates share of weights that an update left as they were
 * @property {[number, Record<string, number | null>][]} speed
 * @property {[number, Record<string, number | null>][]} eval
 * @property {[number, Record<string, number>][]} bits
 * @property {(number | null)[][]} others losses of the burst's further seeds, step by step; the rest is the first's
 * @property {object | null} finished its `lane_finished` event
 *
 * @typedef {object} Run
 * @property {string} id
 * @property {number} last number of the last event applied, -1 before the first
 * @property {object | null} started its `run_started` event
 * @property {object | null} ended its `run_finished` or `run_failed` event
 * @property {Lane[]} lanes
 * @property {Map<string, object>} diagnoses latest event by lane and code, in order of first appearance
 * @property {Record<string, number>} apart how many events of a type there are whose content is fetched apart
 * @property {number} time seconds since the run began, as far as is known
 */

const COLUMNS = ["loss", "grad_norm", "step_ms"];
const SERIES = ["step", ...COLUMNS, "scale", "skipped"];
const SAMPLES = ["memory", "updates", "speed", "eval", "bits"];
const APART = ["operations", "timeline"];

/** @param {string} id @returns {Run} */
export function emptyRun(id) {
  return { id, last: -1, started: null, ended: null, lanes: [], diagnoses: new Map(), apart: {}, time: 0 };
}

const NAMED = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** A number as the events write it: themselves, or "nan", "inf", "-inf". */
export function number(value) {
  if (typeof value !== "string") return value;
  return NAMED[value] ?? value;
}

/**
 * Apply the next frame.
 * @param {Run} run changed in place
 * @param {{from: number, to: number, lanes?: object, events?: object[]}} frame
 * @returns {"applied" | "known" | "gap"} a gap means that frames are missing, and nothing was applied
 */
export function applyFrame(run, frame) {
  if (frame.to <= run.last) return "known";
  if (frame.from !== run.last + 1) return "gap";
  for (const event of frame.events ?? []) if (event.type === "run_started") start(run, event);
  for (const [key, news] of Object.entries(frame.lanes ?? {})) {
    const [index, seed] = key.split(".").map(Number);
    if (seed) extendSeed(run.lanes[index], seed, news);
    else extend(run.lanes[index], news);
  }
  for (const event of frame.events ?? []) note(run, event);
  run.last = frame.to;
  run.time = Math.max(run.time, measuredTime(run));
  return "applied";
}

function start(run, event) {
  run.started = event;
  run.lanes = event.lanes.map((lane) => ({
    ...lane,
    ...Object.fromEntries([...SERIES, ...SAMPLES].map((field) => [field, []])),
    others: [],
    finished: null,
  }));
}

/** Columns are as long as `loss`; one is absent where nothing is new in it, and `scale` is one number where it stayed. */
function extend(lane, news) {
  if (!lane) return;
  for (let at = 0; at < news.loss.length; at++) {
    lane.step.push(news.step + at);
    for (const field of COLUMNS) lane[field].push(number(news[field]?.[at] ?? null));
    lane.scale.push(number((Array.isArray(news.scale) ? news.scale[at] : news.scale) ?? null));
    lane.skipped.push(news.skipped?.[at] ?? 0);
  }
  for (const field of SAMPLES) if (news[field]) sample(lane[field], news[field]);
}

/** Of a further seed there is the loss alone. */
function extendSeed(lane, seed, news) {
  if (lane) (lane.others[seed - 1] ??= []).push(...news.loss.map(number));
}

/** Samples come in columns with steps of their own; what a sample lacks is null, and a format that stays one name. */
function sample(samples, { step: steps, ...columns }) {
  steps.forEach((step, at) => {
    const values = Object.entries(columns).map(([name, column]) => [name, Array.isArray(column) ? number(column[at]) : column]);
    samples.push([step, Object.fromEntries(values.filter(([, value]) => value !== null))]);
  });
}

function note(run, event) {
  if (typeof event.time === "number") run.time = Math.max(run.time, event.time);
  if (event.type === "diagnosis") run.diagnoses.set(`${event.lane} ${event.code}`, event);
  else if (APART.includes(event.type)) run.apart[event.type] = (run.apart[event.type] ?? 0) + 1;
  else if (event.type === "lane_finished" && run.lanes[event.lane]) run.lanes[event.lane].finished = event;
  else if (event.type === "run_finished" || event.type === "run_failed") run.ended = event;
}

/** Lanes take turns on one device, so the time of their steps adds up to the time of the run. */
function measuredTime(run) {
  // Of further seeds no time is known, but they do the same.
  const seeds = run.started?.config?.seeds ?? 1;
  let milliseconds = 0;
  for (const lane of run.lanes) {
    lane.summed ??= { count: 0, ms: 0 };
    for (; lane.summed.count < lane.step_ms.length; lane.summed.count++) {
      lane.summed.ms += lane.step_ms[lane.summed.count] ?? 0;
    }
    milliseconds += lane.summed.ms;
  }
  return (run.started?.time ?? 0) + (seeds * milliseconds) / 1000;
}

/**
 * How far the run is.
 * @param {Run} run
 * @returns {{step: number, steps: number, fraction: number, elapsed: number, left: number | null}} seconds; `left` is
 *   null while nothing can be said
 */
export function progress(run) {
  const steps = run.started?.config.steps ?? 0;
  const counts = run.lanes.map((lane) => (lane.finished ? steps : lane.step.length));
  const done = counts.reduce((sum, count) => sum + count, 0);
  const fraction = steps && counts.length ? done / (steps * counts.length) : 0;
  const reached = Math.max(0, ...run.lanes.map((lane) => lane.step.length));
  // First steps take longer than those that follow, and would promise a wait that never comes.
  const early = fraction * steps < 2;
  const left = run.ended || early ? null : (run.time / fraction) * (1 - fraction);
  return { step: Math.min(reached, steps), steps, fraction, elapsed: run.ended?.seconds ?? run.time, left };
}

/**
 * The mean of a step's losses over the seeds, and their standard deviation; null where a seed has none or one that is
 * not finite.
 * @param {Lane} lane
 * @param {number} at
 * @returns {{mean: number, deviation: number} | null}
 */
export function overSeeds(lane, at) {
  const losses = [lane.loss[at], ...lane.others.map((seed) => seed[at])];
  if (!losses.every(Number.isFinite)) return null;
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const squares = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0);
  return { mean, deviation: losses.length > 1 ? Math.sqrt(squares / (losses.length - 1)) : 0 };
}

/** Every step at which some lane's bits were sampled, in order. @param {Run} run */
export function sampledSteps(run) {
  const longest = run.lanes.reduce((most, lane) => (lane.bits.length > most.length ? lane.bits : most), []);
  return longest.map(([step]) => step);
}

/**
 * The index of the latest sample of a lane that is not after a step; -1 where there is none.
 * @param {[number, object][]} samples
 * @param {number} step
 */
export function sampleAt(samples, step) {
  let low = 0;
  let high = samples.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (samples[middle][0] <= step) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
