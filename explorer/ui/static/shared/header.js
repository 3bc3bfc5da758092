/** The header of every page: the session's state and details, and the theme. */

import { humanBytes } from "./bytes.js";
import { make, setText } from "./dom.js";

/** Milliseconds between two questions after the session's state, while the page is seen. */
const EVERY = 3000;
const THEME = "explorer-theme";

const STATES = { starting: "starting", ready: "ready", busy: "training", down: "down" };

/**
 * @param {HTMLElement} element
 * @param {Record<string, (...args: any[]) => Promise<any>>} server
 */
export function mount(element, server) {
  const part = (selector) => element.querySelector(selector);
  theme(part("[data-theme]"));
  const menu = part(".chip-menu");
  let timer = 0;
  let known = null;

  async function look() {
    clearTimeout(timer);
    if (document.hidden) return;
    const health = await fetch(new URL("healthz", document.baseURI)).then((answer) => answer.json()).catch(() => null);
    const worker = health?.worker ?? "down";
    part(".dot").dataset.worker = worker;
    const queued = health?.queued ? `, ${health.queued} queued` : "";
    setText(part("[data-chip-state]"), health ? `${STATES[worker] ?? worker}${queued}` : "server not reached");
    // What the machine is can only be known once the worker has looked.
    if (!known && (worker === "ready" || worker === "busy")) await details();
    timer = setTimeout(look, known || worker !== "starting" ? EVERY : EVERY / 6);
  }

  async function details() {
    known = await server.session_details().catch(() => null);
    if (!known) return;
    setText(part("[data-chip-device]"), known.short ? `${known.short} ·` : "");
    part("dl").replaceChildren(
      ...known.rows.flatMap(([name, value]) => [
        make("dt", {}, name),
        make("dd", {}, typeof value === "number" ? humanBytes(value) : value),
      ]),
    );
  }

  function asking(on) {
    part("[data-confirm]").hidden = !on;
    part("[data-restart]").hidden = on;
    if (on) part("[data-restart-no]").focus();
  }

  async function restart() {
    asking(false);
    setText(part("[data-restart-words]"), "Restarting …");
    const answer = await server.restart_session().catch((error) => String(error?.message ?? error));
    setText(part("[data-restart-words]"), typeof answer === "string" && answer ? answer : "Restarted.");
    known = null;
    look();
  }

  menu.addEventListener("toggle", () => {
    if (menu.open) details();
    else setText(part("[data-restart-words]"), "");
  });
  part("[data-restart]").addEventListener("click", () => asking(true));
  part("[data-restart-no]").addEventListener("click", () => asking(false));
  part("[data-restart-yes]").addEventListener("click", restart);
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") menu.open = false;
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("visibilitychange", look);
  look();
}

/** The person's theme, kept over visits; the system's where none was chosen. */
function theme(button) {
  const kept = localStorage.getItem(THEME);
  if (kept) document.body.classList.toggle("dark", kept === "dark");
  button.addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    localStorage.setItem(THEME, dark ? "dark" : "light");
  });
}
