/**
 * The Lab: mounts the panels, opens a run's stream, and hands what comes in to them, once per animation frame.
 *
 * A run is shown because the page's address names it, or because Gradio set the component's value to `{id, n}`.
 */

import * as bits from "./bits.js";
import { copyText, make, swatch } from "../shared/dom.js";
import * as happened from "./happened.js";
import * as loss from "./loss.js";
import * as memory from "./memory.js";
import { onTheme } from "../shared/palette.js";
import { loadPlotly, savePicture } from "../shared/plots.js";
import * as progress from "./progress.js";
import { applyFrame, emptyRun } from "./run.js";
import * as scale from "./scale.js";
import { openStream } from "./stream.js";
import { atRest } from "./waiting.js";

/** Milliseconds between two writings of the plots in words, which nobody needs ten times a second. */
const WORDS_EVERY = 2000;
const PLOTS = ["loss", "scale", "memory"];

/**
 * @param {HTMLElement} element the component's element, which holds the page's skeleton
 * @param {Record<string, any>} props `value`, `preset`, `presets`, `formats`
 * @param {(name: string, callback: () => void) => void} watch
 * @param {Record<string, (...args: any[]) => Promise<any>>} server
 */
export function mount(element, props, watch, server) {
  const root = element.querySelector(".lab");
  const part = (selector) => root.querySelector(selector);
  const panel = (name) => part(`[data-panel="${name}"]`);
  const line = progress.create(part(".lab-bar"));
  const story = happened.create(part(".happened"));
  const failure = part(".lab-failure");
  const waiting = atRest(server);
  /** @type {Record<string, any>} */
  const panels = { bits: bits.create(panel("bits"), props.formats) };
  let Plotly = null;
  let run = emptyRun("");
  let stream = null;
  let hidden = new Set();
  let scheduled = false;
  let wordsAt = 0;

  // -- one run ------------------------------------------------------------------------------------------------------

  function open(id, { position = 0 } = {}) {
    stream?.close();
    waiting.stop();
    run = emptyRun(id);
    hidden = new Set();
    failure.hidden = true;
    keepInAddress(id);
    part(".lab-tools").hidden = false;
    part("[data-download]").href = new URL(`runs/${encodeURIComponent(id)}.jsonl`, document.baseURI).href;
    state("waiting");
    waiting.start(id, position, (words) => {
      if (run.started || run.ended) return;
      line.say(words);
      emptyWords(words);
    });
    stream = openStream({
      id,
      last: () => run.last,
      onFrame: receive,
      onGap: () => (run = emptyRun(id)),
      onEnd: schedule,
      onState: connection,
    });
  }

  function receive(frame) {
    const before = run.started;
    const outcome = applyFrame(run, frame);
    if (outcome === "applied") {
      if (run.started && !before) begin();
      schedule();
    }
    return outcome;
  }

  function begin() {
    waiting.stop();
    legend();
    for (const each of Object.values(panels)) {
      each.reset(run);
      each.hide(hidden);
    }
    story.reset(run);
    state("running");
    emptyWords("Building the model and its batches …");
  }

  function connection(what) {
    if (what === "lost") line.say("The connection was lost; trying again …");
    if (what === "open" && run.started) schedule();
    if (what !== "unknown") return;
    state("idle");
    waiting.stop();
    line.say("");
    fail("This server does not know the run: it was recorded elsewhere, or deleted. Press Run to start one.");
  }

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(draw);
  }

  function draw() {
    scheduled = false;
    if (run.started) {
      for (const each of Object.values(panels)) each.update(run);
      story.update(run);
    }
    if (run.started || run.ended) line.update(run);
    for (const name of Object.keys(panels)) empty(name);
    if (run.ended) finish();
    if (run.ended || performance.now() - wordsAt > WORDS_EVERY) describe();
  }

  function finish() {
    waiting.stop();
    state("ended");
    if (run.ended.type === "run_failed") fail(run.ended.message, run.ended.kind);
  }

  function fail(message, kind = "") {
    failure.textContent = message;
    failure.dataset.kind = kind;
    failure.hidden = false;
  }

  /** What the page's style and the two buttons follow: idle, waiting, running, ended. */
  function state(name) {
    root.dataset.state = name;
    const live = name === "waiting" || name === "running";
    for (const button of [document.getElementById("lab-stop"), part("[data-stop]")]) if (button) button.disabled = !live;
  }

  // -- words --------------------------------------------------------------------------------------------------------

  function describe() {
    wordsAt = performance.now();
    for (const [name, each] of Object.entries(panels)) {
      panel(name).querySelector(".sr-only[id$=-words]").textContent = run.started ? each.summary(run) : "";
    }
  }

  /** The same words in every panel that has nothing to show. */
  function emptyWords(words) {
    for (const each of root.querySelectorAll(".panel-empty")) each.textContent = words;
    for (const name of ["loss", "scale", "memory", "bits"]) empty(name);
  }

  function empty(name) {
    const there = {
      memory: (lane) => lane.memory.length,
      bits: (lane) => lane.bits.length,
      scale: (lane) => lane.scaled && lane.step.length,
    };
    const has = there[name] ?? ((lane) => lane.step.length);
    const place = panel(name).querySelector(".panel-empty");
    const special = run.started ? (panels[name]?.empty?.(run) ?? "") : "";
    if (special) place.textContent = special;
    else if (run.ended && !run.lanes.some(has)) place.textContent = "Nothing was recorded here.";
    place.hidden = !special && run.lanes.some(has);
  }

  function idle() {
    const purpose = {
      loss: "The loss, a line a lane, step by step.",
      scale: "The loss scale of the FP16 lanes: it grows, overflows, backs off.",
      memory: "What each lane's bytes are spent on, measured.",
      bits: "One weight of the model, bit by bit, in every format it passes through.",
    };
    for (const [name, words] of Object.entries(purpose)) {
      const place = panel(name).querySelector(".panel-empty");
      place.textContent = words;
      place.hidden = false;
    }
    story.invite(props.presets[props.preset]);
  }

  // -- lanes --------------------------------------------------------------------------------------------------------

  function legend() {
    part(".lab-lanes").replaceChildren(
      ...run.lanes.map((lane, index) => {
        const button = make("button", { type: "button", class: "lane", "aria-pressed": "true", title: lane.name });
        button.append(swatch(index), make("span", {}, lane.name));
        button.addEventListener("click", () => {
          if (!hidden.delete(index)) hidden.add(index);
          button.setAttribute("aria-pressed", String(!hidden.has(index)));
          for (const each of Object.values(panels)) each.hide(hidden);
        });
        return button;
      }),
    );
  }

  // -- address, links, export -----------------------------------------------------------------------------------------

  function keepInAddress(id) {
    const address = new URL(location.href);
    address.search = "";
    address.searchParams.set("run", id);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  function settingsLink(config) {
    const address = new URL(location.href);
    address.search = "";
    address.searchParams.set("config", config);
    return address.href;
  }

  async function copyLink(button, link) {
    const copied = await copyText(link);
    button.dataset.said = copied ? "copied" : "";
    if (!copied) prompt("Copy this link:", link);
    setTimeout(() => delete button.dataset.said, 1500);
  }

  function enlarge(section) {
    const on = !section.classList.contains("enlarged");
    for (const each of root.querySelectorAll(".panel")) {
      each.classList.toggle("enlarged", on && each === section);
      each.querySelector("[data-enlarge]").setAttribute("aria-pressed", String(on && each === section));
    }
    part(".lab-grid").classList.toggle("has-enlarged", on);
  }

  function save(button) {
    const { picture, format } = button.dataset;
    const title = { loss: "Loss", scale: "Scale factor", memory: "Memory" }[picture];
    const plot = panel(picture).querySelector(".plot");
    savePicture(Plotly, plot, { format, title, filename: `${picture}-${run.id}` });
    button.closest("details").open = false;
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-copy-link]")) copyLink(button, location.href);
    if (button.matches("[data-enlarge]")) enlarge(button.closest(".panel"));
    if (button.matches("[data-picture]") && Plotly) save(button);
    if (button.matches("[data-run]")) document.getElementById("lab-run")?.click();
    if (button.matches("[data-stop]")) document.getElementById("lab-stop")?.click();
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const enlarged = part(".panel.enlarged");
    if (enlarged) enlarge(enlarged);
    for (const menu of root.querySelectorAll("details[open]")) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    for (const menu of root.querySelectorAll("details[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // -- start --------------------------------------------------------------------------------------------------------

  watch("value", () => {
    const { id, position } = props.value ?? {};
    if (!id || (id === run.id && !run.ended)) return;
    open(id, { position });
    // On a phone the settings cover the page.
    const settings = document.querySelector(".sidebar.open > .toggle-button");
    if (settings && innerWidth <= 768) settings.click();
  });
  watch("link", () => copyLink(document.getElementById("lab-share"), settingsLink(props.link.config)));
  document.addEventListener("lab:stop", () => server.cancel_run(run.id));
  watch("preset", () => {
    if (!run.id) story.invite(props.presets[props.preset]);
  });
  onTheme(() => {
    for (const each of Object.values(panels)) each.theme();
  });

  idle();
  state("idle");
  const named = new URL(location.href).searchParams.get("run") ?? props.value?.id;
  if (named) open(named);
  loadPlotly().then(
    async (loaded) => {
      const [lossPanel, scalePanel, memoryPanel] = await Promise.all([
        loss.create(loaded, panel("loss")),
        scale.create(loaded, panel("scale")),
        memory.create(loaded, panel("memory")),
      ]);
      Plotly = loaded;
      const made = { loss: lossPanel, scale: scalePanel, memory: memoryPanel };
      for (const name of PLOTS) {
        panels[name] = made[name];
        if (run.started) made[name].reset(run);
      }
      schedule();
    },
    () => fail("The plots' library could not be loaded from this server. Reload the page."),
  );
}
