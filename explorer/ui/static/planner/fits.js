/** Which GPU a plan fits in: a row a recipe, a column for each size of memory. */

import { humanBytes } from "../shared/bytes.js";
import { make } from "../shared/dom.js";

/**
 * @param {number} total bytes a plan needs
 * @param {number} memory bytes a card has
 * @param {number} tight share of the memory from which it is tight
 * @returns {"fits" | "tight" | "does not"}
 */
export function verdict(total, memory, tight) {
  return total > memory ? "does not" : total > tight * memory ? "tight" : "fits";
}

const SIGNS = { fits: "✓", tight: "≈", "does not": "✗" };

/** @param {HTMLElement} element @param {{cards: object[], labels: Record<string, string>, tight: number}} context */
export function create(element, { cards, labels, tight }) {
  return {
    /** @param {Record<string, object>} recipes @param {object | null} plan */
    update(recipes, plan) {
      const found = Object.entries(recipes).filter(([, parts]) => parts);
      element.hidden = !found.length;
      if (!found.length) return;
      const each = plan.gpus > 1 ? `Each of ${plan.gpus.toLocaleString("en")} GPUs` : "One GPU";
      element.replaceChildren(
        make("header", {}, make("h2", {}, "Does it fit?"), make("span", { class: "quiet" }, `${each}, GiB. ✓ fits · ≈ tight, above ${Math.round(100 * tight)} % of the card: driver, workspaces and the allocator's gaps come on top · ✗ does not fit`)),
        make("div", { class: "plan-scroll" }, make("table", { class: "plan-fits" },
          make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "recipe"), make("th", { scope: "col" }, "needs"),
            ...cards.map(({ names, memory }) => make("th", { scope: "col", title: names.join(", ") }, String(Math.round(memory / 2 ** 30)), make("small", {}, shortened(names)))))),
          make("tbody", {}, ...found.map(([name, parts]) => make("tr", { "data-recipe": name },
            make("th", { scope: "row" }, labels[name]),
            make("td", { class: "tabular" }, humanBytes(parts.total)),
            ...cards.map(({ memory, names }) => {
              const said = verdict(parts.total, memory, tight);
              const share = Math.round((100 * parts.total) / memory);
              return make("td", { "data-verdict": said, title: `${labels[name]} ${said === "does not" ? "does not fit" : said === "fits" ? "fits" : "is tight"}: ${share.toLocaleString("en")} % of ${names.join(", ")}` },
                make("span", { class: "sr-only" }, said), make("span", { "aria-hidden": "true" }, SIGNS[said]));
            }))))),
        ),
      );
    },
  };
}

function shortened(names) {
  return names.length === 1 ? names[0] : `${names[0]} +${names.length - 1}`;
}
