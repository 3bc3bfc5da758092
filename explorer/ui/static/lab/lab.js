/**
 * The Lab: mounts the panels, opens a run's stream, and hands what comes in to them, once per animation frame.
 *
 * A run is shown because the page's address names it, or because Gradio set the component's value to `{id, n}`.
 */

import { copyFor, make } from "../shared/dom.js";
import { createGrid, keepPanels } from "./grid.js";
import * as happened from "./happened.js";
import { createLegend } from "./legend.js";
import { PANELS } from "./panels.js";
import { onTheme } from "../shared/palette.js";
import { loadPlotly, savePicture } from "../shared/plots.js";
import * as progress from "./progress.js";
import { applyFrame, emptyRun } from "./run.js";
import { openStream } from "./stream.js";
import { atRest } from "./waiting.js";

/** Milliseconds between two writings of the plots in words, which nobody needs ten times a second. */
const WORDS_EVERY = 2000;

/**
 * @param {HTMLElement} element the component's element, which holds the page's skeleton
 * @param {Record<string, any>} props `value`, `preset`, `presets`, `formats`, `recipes`,
 *   `policies`
 * @param {(name: string, callback: () => void) => void} watch
 * @param {Record<string, (...args: any[]) => Promise<any>>} server
 */
export function mount(element, props, watch, server) {
  const root = element.querySelector(".lab");
  const part = (selector) => root.querySelector(selector);
  const grid = createGrid(part(".lab-grid"), arrange);
  const panel = (name) => grid.sections[name];
  const line = progress.create(part(".lab-bar"));
  const story = happened.create(part(".happened"));
  const failure = part(".lab-failure");
  const waiting = atRest(server);
  const legend = createLegend(part(".lab-lanes"), props.recipes, hide);
  const tools = { formats: props.formats, policies: props.policies, changed: schedule };
  /** Panels that were shown once. @type {Map<string, import("./panels.js").Panel>} */
  const panels = new Map();
  /** Names of the panels that are being made. @type {Set<string>} */
  const making = new Set();
  let words = "";
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
    legend.reset(run);
    for (const each of panels.values()) {
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
      for (const name of grid.shown) panels.get(name)?.update(run);
      story.update(run);
    }
    if (run.started || run.ended) line.update(run);
    for (const name of grid.shown) empty(name);
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
    for (const name of grid.shown) {
      const told = run.started ? panels.get(name)?.summary(run) : "";
      panel(name).querySelector(".sr-only[id$=-words]").textContent = told ?? "";
    }
  }

  /** The same words in every panel that has nothing to show. */
  function emptyWords(said) {
    words = said;
    for (const name of grid.shown) empty(name);
  }

  function empty(name) {
    const place = panel(name).querySelector(".panel-empty");
    const told = run.started ? (panels.get(name)?.empty(run) ?? null) : null;
    const usual = run.ended ? "Nothing was recorded here." : run.id ? words : PANELS[name].purpose;
    place.hidden = told === "";
    if (told !== "") place.textContent = told ?? usual;
  }

  function idle() {
    for (const name of grid.shown) empty(name);
    story.invite(props.presets[props.preset]);
  }

  // -- panels -------------------------------------------------------------------------------------------------------

  /** The panels in the grid are others now: make those that are shown for the first time. */
  function arrange() {
    pictures();
    for (const name of grid.shown) show(name);
    schedule();
  }

  async function show(name) {
    if (panels.has(name) || making.has(name)) return;
    making.add(name);
    empty(name);
    try {
      const made = await PANELS[name].make(panel(name), tools);
      panels.set(name, made);
      if (run.started) made.reset(run);
      made.hide(hidden);
      schedule();
    } catch (error) {
      fail("A panel could not be loaded from this server. Reload the page.");
      throw error;
    } finally {
      making.delete(name);
    }
  }

  function hide(lanes) {
    hidden = lanes;
    for (const each of panels.values()) each.hide(hidden);
  }

  /** The export menu has the plots that are to be seen. */
  function pictures() {
    const plots = grid.shown.filter((name) => panel(name).querySelector(".plot"));
    part("[data-pictures]").replaceChildren(
      ...plots.flatMap((name) =>
        ["png", "svg"].map((format) =>
          make("button", { type: "button", "data-picture": name, "data-format": format }, `${PANELS[name].title}, ${format.toUpperCase()}`),
        ),
      ),
    );
  }

  // -- address, links, export -----------------------------------------------------------------------------------------

  function keepInAddress(id) {
    const address = new URL(location.href);
    address.search = "";
    address.searchParams.set("run", id);
    keepPanels(address, grid.shown);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  function settingsLink(config) {
    const address = new URL(location.href);
    address.search = "";
    address.searchParams.set("config", config);
    keepPanels(address, grid.shown);
    return address.href;
  }

  async function copyLink(button, link) {
    if (!(await copyFor(button, link))) prompt("Copy this link:", link);
  }

  async function save(button) {
    const { picture, format } = button.dataset;
    button.closest("details").open = false;
    const plot = panel(picture).querySelector(".plot");
    await savePicture(await loadPlotly(), plot, { format, title: PANELS[picture].title, filename: `${picture}-${run.id}` });
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches("[data-copy-link]")) copyLink(button, location.href);
    if (button.matches("[data-enlarge]")) {
      const section = button.closest(".panel");
      grid.enlarge(section.classList.contains("enlarged") ? "" : section.dataset.panel);
    }
    if (button.matches("[data-picture]")) save(button);
    if (button.matches("[data-run]")) document.getElementById("lab-run")?.click();
    if (button.matches("[data-stop]")) document.getElementById("lab-stop")?.click();
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    grid.enlarge("");
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
    for (const each of panels.values()) each.theme();
  });

  idle();
  state("idle");
  const named = new URL(location.href).searchParams.get("run") ?? props.value?.id;
  if (named) open(named);
  arrange();
}
