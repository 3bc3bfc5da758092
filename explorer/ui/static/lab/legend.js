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
        const title = about(lane, recipes);
        const state = { "aria-pressed": "true", "data-support": lane.support ?? "" };
        const button = make("button", { type: "button", class: "lane", title, ...state });
        button.append(swatch(index), make("span", {}, lane.name));
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

/** Whether a lane's formats are the machine's own, and why. @param {import("./run.js").Lane} lane */
export function supportWords(lane) {
  const words = {
    native: "Native: this machine's own kernels multiply in the lane's format.",
    emulated: "Emulated: the numbers are exact, the speed is not the format's.",
    missing: "Missing: this machine does not multiply in the lane's format.",
  };
  return `${words[lane.support] ?? ""} ${lane.reason ?? ""}`.trim();
}

/**
 * Which layers a recipe converted, in few words; "" where it converts none.
 * @param {{converted?: string[]}} lane
 */
export function convertedWords(lane) {
  const converted = lane.converted?.length ?? 0;
  if (!converted) return "";
  return `Converted: ${converted} linear layer${converted > 1 ? "s" : ""}; every other stays in float32.`;
}
