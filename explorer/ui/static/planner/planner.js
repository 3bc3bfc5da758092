/** The Planner page: holds what is asked, asks the planner recipe by recipe, and keeps the address a link that restores it. */

import { copyFor, make, saveJson, setText } from "../shared/dom.js";
import { MEMORY_PARTS } from "../shared/palette.js";
import * as bars from "./bars.js";
import * as fits from "./fits.js";
import * as guide from "./guide.js";
import { DEFAULTS, PRESETS, readLink, request, writeLink } from "./state.js";

/** Milliseconds after the last key press until a plan is asked for. */
const TYPING = 450;

/**
 * @param {HTMLElement} element
 * @param {{models: object[], recipes: object[], optimizers: object, shardings: object, attentions: object, cards: object[], tight: number}} props
 * @param {{plan: (asked: object) => Promise<{plan?: object, error?: string}>}} server
 */
export function mount(element, props, server) {
  const root = element.querySelector(".planner");
  const part = (selector) => root.querySelector(selector);
  const names = props.recipes.map(({ name }) => name);
  const labels = Object.fromEntries(props.recipes.map(({ name, label }) => [name, label]));
  const context = { cards: props.cards, labels, tight: props.tight };
  const known = {
    models: props.models.map(({ name }) => name),
    recipes: names,
    optimizers: Object.keys(props.optimizers),
    shardings: Object.keys(props.shardings),
    attentions: Object.keys(props.attentions),
  };
  const sections = {
    bars: bars.create(part("[data-section=bars]"), context),
    fits: fits.create(part("[data-section=fits]"), context),
    guide: guide.create(part("[data-section=guide]")),
  };
  let state = readLink(new URLSearchParams(location.search), known);
  /** @type {Record<string, object | null>} */
  let found = {};
  let plan = null;
  let round = 0;
  let timer = 0;
  let clock = 0;

  fillChoices();
  for (const input of root.querySelectorAll("[data-field]")) {
    const typed = input.matches("input[type=text], textarea");
    input.addEventListener(typed ? "input" : "change", () => change({ [input.dataset.field]: input.type === "checkbox" ? input.checked : input.value }, typed ? TYPING : 0));
  }
  part("[data-copy-link]").addEventListener("click", copyLink);
  part("[data-json]").addEventListener("click", download);
  show();
  ask();

  function fillChoices() {
    const groups = new Map();
    for (const { name, label, group } of props.models) {
      if (!groups.has(group)) groups.set(group, make("optgroup", { label: group }));
      groups.get(group).append(make("option", { value: name }, label));
    }
    groups.set("other", make("optgroup", { label: "Another" }, make("option", { value: "hub" }, "an id on the hub …"), make("option", { value: "config" }, "paste a config.json …")));
    part("[data-field=model]").append(...groups.values());
    for (const [field, table] of [["optimizer", props.optimizers], ["sharding", props.shardings], ["attention", props.attentions]]) {
      part(`[data-field=${field}]`).append(...Object.entries(table).map(([name, words]) => make("option", { value: name, title: words }, name)));
    }
    part(".plan-presets").append(...PRESETS.map(([words, preset]) => {
      const button = make("button", { type: "button", class: "tool" }, words);
      button.addEventListener("click", () => change({ ...DEFAULTS, ...preset }));
      return button;
    }));
    part(".plan-recipes").append(...props.recipes.map(({ name, label, summary }) => {
      const chip = make("button", { type: "button", class: "tool", "data-chip": name, title: summary }, label);
      chip.addEventListener("click", () => toggle(name));
      return chip;
    }));
    part("[data-legend]").append(
      ...MEMORY_PARTS.map(([name, words]) => make("li", { "data-part": name }, words)),
      make("li", { "data-part": "peak", title: "The most alive at one moment of a step; the parts reach their most at different moments" }, "peak of a step"),
      make("li", { "data-part": "card" }, "memory of a GPU"),
    );
  }

  function toggle(name) {
    const shown = new Set(state.recipes.length ? state.recipes : names);
    if (!shown.delete(name)) shown.add(name);
    if (!shown.size) return;
    const recipes = names.filter((each) => shown.has(each));
    change({ recipes: recipes.length === names.length ? [] : recipes });
  }

  function change(patch, wait = 0) {
    state = { ...state, ...patch };
    show();
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  }

  /** Bring the fields in line with the state. */
  function show() {
    for (const input of root.querySelectorAll("[data-field]")) {
      const value = state[input.dataset.field];
      if (input.type === "checkbox") input.checked = value;
      else if (input.value !== value) input.value = value;
    }
    part("[data-hub]").hidden = state.model !== "hub";
    part("[data-paste]").hidden = state.model !== "config";
    const shown = state.recipes.length ? state.recipes : names;
    for (const chip of root.querySelectorAll("[data-chip]")) chip.setAttribute("aria-pressed", String(shown.includes(chip.dataset.chip)));
    part("[data-field=sharding]").title = props.shardings[state.sharding];
    part("[data-field=optimizer]").title = props.optimizers[state.optimizer];
    part("[data-field=attention]").title = props.attentions[state.attention];
    history.replaceState(history.state, "", location.pathname + writeLink(state));
  }

  /** Ask for one recipe after the other, so that each shows as soon as it is counted; a later question ends this one. */
  async function ask() {
    const mine = ++round;
    setText(part("[data-error]"), "");
    if ((state.model === "hub" && !state.hub.trim()) || (state.model === "config" && !state.config.trim())) {
      clear("");
      return;
    }
    const wanted = state.recipes.length ? state.recipes : names;
    const asked = state;
    const started = performance.now();
    found = Object.fromEntries(wanted.map((name) => [name, null]));
    root.dataset.busy = "true";
    tick();
    for (const [index, name] of wanted.entries()) {
      clock = window.setTimeout(tick, 0);
      const answer = await server.plan(request(asked, name)).catch((error) => ({ error: String(error?.message ?? error) }));
      if (mine !== round) return;
      if (answer.error) {
        clear(answer.error);
        return;
      }
      plan = answer.plan;
      found[name] = plan.recipes[name];
      render();
      tick(index + 1);
    }
    clearTimeout(clock);
    delete root.dataset.busy;
    setText(part("[data-progress]"), "");

    function tick(done = wanted.filter((name) => found[name]).length) {
      if (mine !== round) return;
      clearTimeout(clock);
      const seconds = (performance.now() - started) / 1000;
      const left = done ? `, ${Math.ceil((seconds / done) * (wanted.length - done))} s left` : done === 0 && seconds > 3 ? "; the planner starts" : "";
      setText(part("[data-progress]"), done < wanted.length && seconds > 0.3 ? `counted ${done} of ${wanted.length} recipes in ${seconds.toFixed(0)} s${left}` : "");
      clock = window.setTimeout(tick, 500);
    }
  }

  function clear(sentence) {
    round++;
    clearTimeout(clock);
    delete root.dataset.busy;
    found = {};
    plan = null;
    setText(part("[data-error]"), sentence);
    setText(part("[data-progress]"), "");
    render();
  }

  function render() {
    part("[data-json]").disabled = !plan;
    setText(part("[data-title]"), plan ? titled(plan) : "Memory");
    sections.bars.update(found);
    sections.fits.update(found, plan);
    sections.guide.update(plan, found);
    for (const item of part("[data-legend]").children) {
      const name = item.dataset.part;
      if (name === "card") item.hidden = !root.querySelector(".plan-card");
      else item.hidden = !plan || (name !== "peak" && !Object.values(found).some((parts) => parts?.[name]));
    }
    const batch = part("[data-field=batch]");
    const sequence = part("[data-field=sequence]");
    batch.placeholder = plan ? String(plan.batch) : "";
    sequence.placeholder = plan?.sequence ? String(plan.sequence) : "—";
  }

  function copyLink(event) {
    return copyFor(event.target, new URL(location.pathname + writeLink(state), location.href).href);
  }

  function download() {
    const recipes = Object.fromEntries(Object.entries(found).filter(([, parts]) => parts));
    saveJson({ ...plan, recipes }, `plan-${plan.model.replace(/[^\w.-]+/g, "-")}.json`);
  }
}

/** What was planned, in a line. */
function titled(plan) {
  const size = plan.sequence ? `batch ${plan.batch.toLocaleString("en")} × ${plan.sequence.toLocaleString("en")} tokens` : `batch ${plan.batch.toLocaleString("en")}`;
  const where = plan.gpus > 1 ? `, on each of ${plan.gpus.toLocaleString("en")} GPUs` : "";
  const rules = plan.device === "cpu" ? ", on a CPU" : "";
  return `${plan.label}: ${plan.parameters.toLocaleString("en")} parameters, ${size}${where}${rules}`;
}
