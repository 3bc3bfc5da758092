/** The four places of the Lab's grid: which panel stands in each, as the heads' menus and the page's address say. */

import { make } from "../shared/dom.js";
import { FIRST_SHOWN, PANELS } from "./panels.js";

/**
 * The panels that an address asks for, in their places.
 * @param {URLSearchParams} query its `panels` are names joined by dots; what cannot be used is filled up
 * @returns {string[]}
 */
export function panelsIn(query) {
  const asked = (query.get("panels") ?? "").split(/[.,]/).filter((name) => Object.hasOwn(PANELS, name));
  return [...new Set([...asked, ...FIRST_SHOWN])].slice(0, FIRST_SHOWN.length);
}

/**
 * Put the choice of panels into an address, or leave it out where it is the usual one.
 * @param {URL} address changed in place
 * @param {string[]} shown
 */
export function keepPanels(address, shown) {
  if (shown.join() === FIRST_SHOWN.join()) address.searchParams.delete("panels");
  else address.searchParams.set("panels", shown.join("."));
}

/**
 * @param {HTMLElement} grid holds a section for every panel
 * @param {(shown: string[]) => void} onChange
 */
export function createGrid(grid, onChange) {
  const sections = Object.fromEntries([...grid.children].map((each) => [each.dataset.panel, each]));
  let shown = panelsIn(new URL(location.href).searchParams);

  for (const [name, section] of Object.entries(sections)) {
    section.querySelector("header").prepend(choice(name));
    section.addEventListener("change", (event) => {
      if (event.target.matches(".panel-choice")) choose(name, event.target);
    });
  }

  function choice(name) {
    const select = make("select", { class: "panel-choice", "aria-label": "Panel in this place" });
    for (const [value, { title }] of Object.entries(PANELS)) {
      select.append(make("option", { value, selected: value === name }, title));
    }
    return select;
  }

  /** Another panel takes a place; one that had a place already changes places with it. */
  function choose(name, select) {
    const wanted = select.value;
    select.value = name;
    const enlarged = sections[name].classList.contains("enlarged");
    const before = shown.indexOf(wanted);
    shown = shown.map((each) => (each === name ? wanted : each === wanted && before >= 0 ? name : each));
    if (enlarged) enlarge(wanted);
    place();
    const address = new URL(location.href);
    keepPanels(address, shown);
    history.replaceState(history.state, "", address);
    onChange(shown);
    sections[wanted].querySelector(".panel-choice").focus();
  }

  /** Sections are moved, not only ordered by style: the keyboard goes through them as the eye does. */
  function place() {
    const rest = Object.keys(sections).filter((name) => !shown.includes(name));
    for (const name of [...shown, ...rest]) {
      sections[name].hidden = !shown.includes(name);
      grid.append(sections[name]);
    }
  }

  /** @param {string} name the one panel that fills the grid; "" for none */
  function enlarge(name) {
    for (const [each, section] of Object.entries(sections)) {
      section.classList.toggle("enlarged", each === name);
      section.querySelector("[data-enlarge]").setAttribute("aria-pressed", String(each === name));
    }
    grid.classList.toggle("has-enlarged", Boolean(name));
  }

  place();
  return {
    get shown() {
      return shown;
    },
    sections,
    enlarge,
  };
}
