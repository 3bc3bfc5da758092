/** The Hardware page: starts and follows a check, hands its result to the sections, and keeps the address a link to it. */

import { copyFor, make, saveAs, saveJson, setText } from "../shared/dom.js";
import * as advice from "./advice.js";
import { pngOf } from "./card.js";
import * as compare from "./compare.js";
import * as datasheet from "./datasheet.js";
import * as devices from "./devices.js";
import { follow } from "./follow.js";
import * as formats from "./formats.js";
import * as memory from "./memory.js";
import { seconds, when } from "./numbers.js";
import * as rates from "./rates.js";
import * as speedups from "./speedups.js";

const SECTIONS = { advice, rates, speedups, devices, memory, formats, datasheet, compare };
const GOING = ["queued", "running"];

/**
 * @param {HTMLElement} element
 * @param {{sheets: object[], labels: Record<string, string>}} props
 * @param {Record<string, (argument: any) => Promise<any>>} server
 */
export function mount(element, props, server) {
  const root = element.querySelector(".hardware");
  const part = (selector) => root.querySelector(selector);
  const context = { sheets: props.sheets, labels: props.labels };
  const sections = Object.entries(SECTIONS).map(([name, module]) => module.create(part(`[data-section=${name}]`), context));
  /** @type {object | null} the check that is shown, as `checks/{id}.json` has it */
  let entry = null;
  let leave = () => {};

  part("[data-start]").addEventListener("click", start);
  part("[data-stop]").addEventListener("click", stop);
  part("[data-earlier]").addEventListener("change", (event) => event.target.value && show(event.target.value));
  part("[data-copy-link]").addEventListener("click", copyLink);
  part("[data-json]").addEventListener("click", () => saved(exportJson));
  part("[data-png]").addEventListener("click", () => saved(exportPng));
  choices();
  // Until now a click would have done nothing, or have been overtaken by the check that the address asks for.
  open().finally(() => (part("[data-start]").disabled = false));

  async function choices() {
    const names = await server.device_names(null).catch(() => []);
    part("[data-device]").append(...names.map((name) => make("option", { value: name }, name)));
  }

  /** Show the check of the address, or the latest there is. */
  async function open() {
    const asked = new URLSearchParams(location.search).get("check");
    const listed = await list();
    const check = asked ?? listed[0]?.check;
    if (check) show(check);
    else render();
  }

  async function list() {
    const answer = await fetch(new URL("checks.json", document.baseURI)).catch(() => null);
    const listed = answer?.ok ? await answer.json() : [];
    const options = listed.map(({ check, created, name, device }) =>
      make("option", { value: check }, `${when(created)}, ${device === "cpu" ? name : `${name} (${device})`}`),
    );
    if (entry && !listed.some(({ check }) => check === entry.check)) {
      options.unshift(make("option", { value: entry.check }, `${when(entry.created)}, this one`));
    }
    if (!options.length) options.push(make("option", { value: "" }, "none yet"));
    part("[data-earlier]").replaceChildren(...options);
    if (entry) part("[data-earlier]").value = entry.check;
    return listed;
  }

  function show(check) {
    leave();
    complain("");
    leave = follow(check, (found, problem) => {
      if (problem) {
        complain(problem);
        if (!found) return render();
      }
      const ended = entry?.check === found.check && GOING.includes(entry.state) && !GOING.includes(found.state);
      const another = entry?.check !== found.check;
      entry = found;
      if (another) history.replaceState(history.state, "", `${location.pathname}?check=${encodeURIComponent(check)}`);
      render();
      if (ended || another) list();
    });
  }

  async function start() {
    complain("");
    part("[data-start]").disabled = true;
    const asked = { seconds: Number(part("[data-seconds]").value), device: part("[data-device]").value };
    const answer = await server.start_check(asked).catch((error) => ({ error: String(error?.message ?? error) }));
    part("[data-start]").disabled = false;
    if (answer.error) complain(answer.error);
    else show(answer.check);
  }

  async function stop() {
    part("[data-stop]").disabled = true;
    await server.stop_check(entry.check).catch((error) => complain(String(error?.message ?? error)));
    part("[data-stop]").disabled = false;
  }

  function complain(sentence) {
    setText(part("[data-error]"), sentence);
  }

  function render() {
    const going = Boolean(entry) && GOING.includes(entry.state);
    const found = entry?.result?.devices.length ? entry.result : null;
    part("[data-start]").hidden = going;
    part("[data-stop]").hidden = !going;
    part("[data-found]").hidden = !found;
    part("[data-empty]").hidden = Boolean(found) || going;
    for (const control of root.querySelectorAll("[data-copy-link], [data-export]")) control.hidden = !entry;
    progress(going);
    setText(part("[data-said-words]"), entry && !going ? said(entry) : "");
    for (const section of sections) section.update(found, entry);
  }

  function progress(going) {
    part("[data-progress]").hidden = !going;
    if (!going) return;
    const { progress: now, state } = entry;
    const share = state === "queued" || !now ? 0 : now.fraction;
    part(".hw-track i").style.width = `${100 * share}%`;
    part(".hw-track").setAttribute("aria-valuenow", String(Math.round(100 * share)));
    const times = now && now.part !== "probe" ? `${seconds(now.elapsed)}, ${seconds(now.remaining)} left: ` : "";
    setText(part("[data-words]"), state === "queued" ? "waiting for the device" : `${times}${now?.words ?? "starting"}`);
  }

  function said({ state, created, message, result }) {
    if (state === "finished") return `Measured ${when(created)} in ${seconds(result.seconds)}.`;
    const kept = result.matmul.length ? " What was measured until then is shown." : "";
    return `${message || "Stopped."}${kept}`;
  }

  function copyLink(event) {
    return copyFor(event.target, new URL(`${location.pathname}?check=${entry.check}`, location.href).href);
  }

  async function saved(save) {
    part("[data-export]").open = false;
    await save();
  }

  function exportJson() {
    saveJson(entry.result, `check-${entry.check}.json`);
  }

  async function exportPng() {
    saveAs(await pngOf(entry, context), `check-${entry.check}.png`);
  }
}
