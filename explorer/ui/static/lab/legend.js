/** The lanes above the plots, a button each: press one to hide it or show it. Its title says what the lane is. */

import { make, swatch } from "../shared/dom.js";

/**
 * @param {HTMLElement} place
 * @param {Record<string, {label: string, summary: string}>} recipes
 * @param {(hidden: Set<number>) => void} onHide
 */
export function createLegend(place, recipes, onHide) {
  function reset(run) {
    const hidden = new Set();
    place.replaceChildren(
      ...run.lanes.map((lane, index) => {
        const button = make("button", { type: "button", class: "lane", "aria-pressed": "true", title: about(lane, recipes) });
        button.append(swatch(index), make("span", {}, lane.name));
        if (lane.support === "emulated") button.append(make("small", { class: "lane-mark", "aria-hidden": "true" }, "≈"));
        button.addEventListener("click", () => {
          if (!hidden.delete(index)) hidden.add(index);
          button.setAttribute("aria-pressed", String(!hidden.has(index)));
          onHide(hidden);
        });
        return button;
      }),
    );
  }
  return { reset };
}

/** What a lane is, in words. */
function about(lane, recipes) {
  const recipe = recipes?.[lane.recipe];
  const lines = [`${lane.name}: ${recipe?.label ?? lane.recipe}`, recipe?.summary, supportWords(lane), convertedWords(lane)];
  return lines.filter(Boolean).join("\n");
}

/** Whether a lane's formats are the machine's own. @param {import("./run.js").Lane} lane */
export function supportWords(lane) {
  if (lane.support !== "emulated") return "Native: this machine multiplies in the lane's format.";
  return "Emulated: the numbers are exact, the speed is not the format's, for this machine has no hardware for it.";
}

/**
 * Which layers a recipe converted, in few words; "" where it converts none.
 * @param {{converted?: string[], linear_layers?: number}} lane
 */
export function convertedWords(lane) {
  const converted = lane.converted?.length ?? 0;
  if (!converted) return "";
  const of = lane.linear_layers ? ` of ${lane.linear_layers}` : "";
  const rest = lane.linear_layers > converted ? "; the rest stays as it is" : "";
  return `Converted: ${converted}${of} linear layers${rest}.`;
}
