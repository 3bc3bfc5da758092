/** Where the tensor's values come from: the controls, and the values they last gave. What fails changes nothing. */

import { BadInput } from "../shared/bad-input.js";
import { make, setText } from "../shared/dom.js";
import { ofHistogram, ofValues } from "./distribution.js";
import { contents, isReadable, read } from "./files.js";
import { generate } from "./generators.js";
import { pasted } from "./paste.js";
import { fetchRun, listRuns } from "./run_gradients.js";
import { CENTRE, GENERATED, LONGEST_LINKED, readSource, SOURCES, SPREAD } from "./tensor_state.js";
import { count, madeUp, share } from "./tensor_words.js";
import { powerOfTwo } from "./words.js";

/**
 * @typedef {object} Dataset
 * @property {import("./distribution.js").Distribution} distribution
 * @property {Float32Array | Float64Array | null} values null where only a histogram is known
 * @property {string} caption what is shown, for people
 */

/**
 * @param {HTMLElement} element
 * @param {object[]} catalogue
 * @param {(source: object) => void} change takes what the link shall say of the source from now on
 * @param {(dataset: Dataset) => void} show
 */
export function create(element, catalogue, change, show) {
  const select = make("select", {}, ...SOURCES.map(([value, words]) => make("option", { value }, words)));
  const centre = make("input", { type: "range", step: 1, min: CENTRE.min, max: CENTRE.max });
  const spread = make("input", { type: "range", step: 0.5, min: SPREAD.min, max: SPREAD.max });
  const centreWords = make("span");
  const [centreOut, spreadOut] = [make("output"), make("output")];
  const spreadLabel = make("label", {}, "spread", spread, spreadOut);
  const told = { "aria-describedby": "tensor-error" };
  const placeholder = "0.1 -3e-5 2^-14 …  spaces, commas or line breaks between them";
  const text = make("textarea", { rows: 3, spellcheck: "false", "aria-label": "Numbers", placeholder, ...told });
  const accept = ".npy,.safetensors";
  const file = make("input", { type: "file", accept, "aria-label": "A .npy or .safetensors file", ...told });
  const tensors = make("select", { "aria-label": "Tensor" });
  const tensorLabel = make("label", { hidden: true }, "tensor", tensors);
  const runs = make("select", { "aria-label": "Run", ...told });
  const list = make("button", { type: "button", class: "tool" }, "list the runs");
  const lanes = make("select", { "aria-label": "Lane" });
  const steps = make("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Sampled step" });
  const stepOut = make("output");
  const laneLabel = make("label", { hidden: true }, "lane", lanes);
  const stepLabel = make("label", { hidden: true }, "step", steps, stepOut);
  const fields = {
    generated: make("div", { class: "tensor-fields" }, make("label", {}, centreWords, centre, centreOut), spreadLabel),
    pasted: make("div", { class: "tensor-fields" }, text),
    file: make("div", { class: "tensor-fields" },
      file, make("span", { class: "quiet" }, "or drop it here; it does not leave this browser"), tensorLabel),
    run: make("div", { class: "tensor-fields" }, runs, list, laneLabel, stepLabel),
  };
  const error = make("p", { class: "tensor-error", id: "tensor-error", role: "alert" });
  element.append(make("label", { class: "tensor-kind" }, "values", select), ...Object.values(fields), error);

  /** @type {Record<string, Dataset>} what each source gave last */
  const kept = {};
  let spec = readSource({});
  let seed = 0;
  let shownKey = "";
  let generatedKey = "";
  /** @type {{file: File, arrays: import("./files.js").StoredArray[]} | null} */
  let opened = null;
  /** @type {import("./run_gradients.js").Run | null} */
  let run = null;
  /** Counts what was asked for, so that a slow answer cannot replace a later one. */
  let asked = 0;

  select.addEventListener("change", () => {
    forget();
    change({ source: select.value, ...(GENERATED.includes(select.value) && generatedWords()) });
    if (select.value === "run" && !runs.options.length) attempt(showList);
  });
  for (const input of [centre, spread]) input.addEventListener("input", () => change({ source: spec.source, ...generatedWords() }));
  text.addEventListener("input", () => attempt(takeText));
  file.addEventListener("change", () => file.files.length && attempt(() => open(file.files[0])));
  tensors.addEventListener("change", () => attempt(takeTensor));
  list.addEventListener("click", () => attempt(showList));
  runs.addEventListener("change", () => runs.value && attempt(() => takeRun(runs.value)));
  lanes.addEventListener("change", () => takeSample(Number(lanes.value), null));
  steps.addEventListener("input", () => takeSample(Number(lanes.value), samples()[Number(steps.value)].step));
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.toggleAttribute("data-over", true);
  });
  element.addEventListener("dragleave", () => element.removeAttribute("data-over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.removeAttribute("data-over");
    const [dropped] = event.dataTransfer.files;
    if (dropped) attempt(() => open(dropped));
  });

  const generatedWords = () => ({ centre: Number(centre.value), spread: Number(spread.value) });

  /** Do what a person asked for; where it fails, say why and leave everything as it is. */
  async function attempt(action) {
    const mine = ++asked;
    element.setAttribute("aria-busy", "true");
    try {
      await action(() => mine === asked);
      if (mine === asked) complain("");
    } catch (failure) {
      if (!(failure instanceof BadInput) && !(failure instanceof DOMException)) throw failure;
      const gone = "The file cannot be read any more: it was changed or moved. Choose it again.";
      if (mine === asked) complain(failure instanceof BadInput ? failure.message : gone);
    } finally {
      if (mine === asked) element.removeAttribute("aria-busy");
    }
  }

  /** Whatever is still being read is not wanted any more. */
  function forget() {
    asked++;
    element.removeAttribute("aria-busy");
  }

  function complain(sentence) {
    setText(error, sentence);
    for (const field of [text, file, runs]) field.setAttribute("aria-invalid", String(Boolean(sentence)));
  }

  function keepText() {
    const values = pasted(text.value);
    keep("pasted", { values, distribution: ofValues(values), caption: count(values.length, "pasted number") });
  }

  function takeText() {
    keepText();
    change({ source: "pasted", ...(text.value.length <= LONGEST_LINKED && { text: text.value }) });
  }

  async function open(chosen, isLatest = () => true) {
    const arrays = await contents(chosen);
    const first = arrays.find(isReadable) ?? arrays[0];
    const values = await read(chosen, first, catalogue);
    if (!isLatest()) return;
    opened = { file: chosen, arrays };
    const option = (array, at) => {
      const words = `${array.name}  ${array.type} ${array.shape.join("×")}`;
      return make("option", { value: at, selected: array === first, disabled: !isReadable(array) }, words);
    };
    tensors.replaceChildren(...arrays.map(option));
    tensorLabel.hidden = arrays.length < 2;
    keepFile(first, values);
  }

  async function takeTensor(isLatest) {
    const array = opened.arrays[Number(tensors.value)];
    const values = await read(opened.file, array, catalogue);
    if (isLatest()) keepFile(array, values);
  }

  function keepFile({ name, type }, { values, count: all, stride }) {
    const whole = `${count(all, "value")} of ${type}${name && ` in ${name}`} (${opened.file.name})`;
    const sampled = stride > 1 ? `; shown is every ${stride}th of them, ${count(values.length, "value")}` : "";
    keep("file", { values, distribution: ofValues(values), caption: whole + sampled });
    change({ source: "file" });
  }

  async function showList(isLatest) {
    const found = await listRuns();
    if (!isLatest()) return;
    if (!found.length) throw new BadInput("No run has been recorded here yet: start one in the Lab.");
    const words = ({ model, lanes: names, started, state }) =>
      `${new Date(started * 1000).toLocaleString()}  ${model}: ${names.join(", ")} (${state})`;
    const options = found.map((each) => make("option", { value: each.id }, words(each)));
    runs.replaceChildren(make("option", { value: "" }, "choose a run"), ...options);
  }

  async function takeRun(id, isLatest = () => true) {
    const fetched = await fetchRun(id);
    if (!isLatest()) return;
    run = fetched;
    const sampled = run.lanes.map(({ name, samples: its }, at) => ({ name, at, its })).filter(({ its }) => its.length);
    lanes.replaceChildren(...sampled.map(({ name, at }) => make("option", { value: at }, name)));
    laneLabel.hidden = stepLabel.hidden = false;
    const wanted = id === spec.run && sampled.some(({ at }) => at === spec.lane) ? spec : { lane: sampled[0].at, step: null };
    takeSample(wanted.lane, wanted.step);
  }

  const samples = () => run.lanes[Number(lanes.value)].samples;

  /** Show what a lane sampled at a step; of a step that it did not sample, the first one. */
  function takeSample(lane, step) {
    lanes.value = String(lane);
    const at = Math.max(samples().findIndex((each) => each.step === step), 0);
    const sample = samples()[at];
    steps.max = String(samples().length - 1);
    steps.value = String(at);
    setText(stepOut, String(sample.step));
    steps.setAttribute("aria-valuetext", `step ${sample.step}`);
    keep("run", { values: null, ...recorded(run, lane, sample) });
    change({ source: "run", run: run.id, lane, step: sample.step });
  }

  function keep(source, dataset) {
    kept[source] = dataset;
    shownKey = "";
  }

  return {
    /** @param {object} state the page's */
    update(state) {
      spec = readSource(state.tensor);
      seed = state.seed;
      const generated = GENERATED.includes(spec.source);
      if (select.value !== spec.source) complain("");
      select.value = spec.source;
      for (const [name, field] of Object.entries(fields)) field.hidden = name !== (generated ? "generated" : spec.source);
      showControls();
      if (!Object.hasOwn(kept, spec.source)) restore();
      display(generated);
    },
  };

  /** Bring back what a link says, short of asking the server or for a file: those wait for the person. */
  function restore() {
    if (spec.source === "pasted" && spec.text && !text.value) {
      text.value = spec.text;
      attempt(keepText);
    } else if (spec.source === "run" && spec.run && !runs.options.length) {
      const words = ["choose a run", `run ${spec.run.slice(0, 40)}`];
      runs.append(...["", spec.run].map((value, at) => make("option", { value }, words[at])));
    }
  }

  function showControls() {
    // Kept as they are while another source is in use, for the way back.
    if (!GENERATED.includes(spec.source)) return;
    centre.value = String(spec.centre);
    spread.value = String(spec.spread);
    setText(centreWords, { normal: "standard deviation", uniform: "largest magnitude" }[spec.source] ?? "median");
    setText(centreOut, powerOfTwo(spec.centre));
    setText(spreadOut, `${spec.spread} octaves`);
    centre.setAttribute("aria-valuetext", `2 to the power ${spec.centre}`);
    spreadLabel.hidden = spec.source !== "lognormal";
  }

  /** Hand over the source's values; while it has none, what is shown stays. */
  function display(generated) {
    const key = generated ? JSON.stringify([spec.source, spec.centre, spec.spread, seed]) : spec.source;
    if (key === shownKey || (!generated && !kept[spec.source] && shownKey)) return;
    const name = generated || !kept[spec.source] ? "generated" : spec.source;
    if (name === "generated" && generatedKey !== key) {
      const shape = generated ? spec.source : "lognormal";
      const values = generate(shape, spec.centre, spec.spread, seed);
      kept.generated = { values, distribution: ofValues(values), caption: madeUp(values.length, shape, spec) };
      generatedKey = key;
    }
    shownKey = key;
    show(kept[name]);
  }
}

/** A sample's distribution, and what it is. */
function recorded(run, lane, { step, lossScale, low, counts, zeroShare, nonfiniteShare }) {
  const present = counts.reduce((sum, each) => sum + each, 0);
  // The histogram leaves out what has no logarithm, whose shares are of all.
  const all = present / Math.max(1 - zeroShare - nonfiniteShare, Number.EPSILON);
  const distribution = ofHistogram(low, counts, Math.round(all * zeroShare), Math.round(all * nonfiniteShare));
  const power = Math.log2(lossScale ?? 1);
  const scale = Number.isInteger(power) ? powerOfTwo(power) : String(lossScale);
  const times = lossScale === null ? "" : `, times the loss scale ${scale}`;
  return {
    distribution,
    caption:
      `${count(present, "gradient")} of lane ${run.lanes[lane].name} at step ${step}${times}; ` +
      `${share(zeroShare)} of all were 0 when recorded`,
  };
}
