/** A bar a recipe, stacked by what holds the bytes, with a mark at the step's peak and a line at each GPU's memory. */

import { humanBytes } from "../shared/bytes.js";
import { make } from "../shared/dom.js";
import { MEMORY_PARTS } from "../shared/palette.js";

/** Share of the width that the largest bar takes. */
const FULL = 0.96;
/** Lines of cards nearer to the one before than this share of the width keep their label to themselves. */
const APART = 0.055;

/** The most that a recipe's bar reaches. @param {Record<string, number>} parts */
export function reach(parts) {
  return Math.max(parts.total, MEMORY_PARTS.reduce((sum, [part]) => sum + (parts[part] ?? 0), 0));
}

/**
 * Where the lines of cards stand: those within the width, each with whether its label has room.
 * @param {{memory: number}[]} cards from the smallest up
 * @param {number} most bytes of the whole width
 */
export function lines(cards, most) {
  let last = -1;
  return cards
    .filter(({ memory }) => memory <= most)
    .map((card) => {
      const at = card.memory / most;
      const labelled = at - last >= APART && at <= 0.985;
      if (labelled) last = at;
      return { ...card, at, labelled };
    });
}

/** @param {HTMLElement} element @param {{cards: object[], labels: Record<string, string>}} context */
export function create(element, { cards, labels }) {
  let opened = "";

  /** @param {Record<string, object>} recipes by name, as the planner answers; null for one that is still counted */
  function update(recipes) {
    const found = Object.values(recipes).filter(Boolean);
    if (!found.length) {
      element.replaceChildren();
      return;
    }
    const most = Math.max(...found.map(reach)) / FULL;
    const marks = lines(cards, most);
    const gib = (memory) => `${Math.round(memory / 2 ** 30)}`;
    const axis = make("div", { class: "plan-axis", "aria-hidden": "true" }, make("span", { class: "plan-axis-name" }, "a GPU's GiB"), make("div", { class: "plan-axis-marks" },
      ...marks.filter(({ labelled }) => labelled).map(({ memory, names, at }) => make("span", { style: `left:${100 * at}%`, title: names.join(", ") }, gib(memory)))), make("span"));
    const rows = Object.entries(recipes).map(([name, parts]) => row(name, parts, most, marks));
    axis.hidden = !marks.length;
    element.replaceChildren(make("div", { class: "plan-bars" }, axis, ...rows));
  }

  function row(name, parts, most, marks) {
    const details = make("details", { class: "plan-row", "data-recipe": name });
    if (!parts) {
      details.append(make("summary", {}, make("span", { class: "plan-name" }, labels[name]), make("span", { class: "plan-track plan-waiting" }), make("span", { class: "plan-total quiet" }, "…")));
      return details;
    }
    const track = make("span", { class: "plan-track", role: "img", "aria-label": spoken(parts) });
    for (const [part, words] of MEMORY_PARTS) {
      if (!parts[part]) continue;
      track.append(make("i", { "data-part": part, style: `width:${(100 * parts[part]) / most}%`, title: `${words}: ${humanBytes(parts[part])}\n${parts.formulas[part]}` }));
    }
    for (const { at, memory, names } of marks) {
      track.append(make("b", { class: "plan-card", style: `left:${100 * at}%`, title: `${humanBytes(memory)}: ${names.join(", ")}` }));
    }
    track.append(make("b", { class: "plan-peak", style: `left:${(100 * parts.total) / most}%`, title: `peak: ${humanBytes(parts.total)}\n${parts.formulas.total}` }));
    details.append(
      make("summary", {}, make("span", { class: "plan-name" }, labels[name]), track, make("span", { class: "plan-total tabular" }, humanBytes(parts.total))),
      formulas(parts),
    );
    details.open = opened === name;
    details.addEventListener("toggle", () => {
      if (details.open) {
        opened = name;
        for (const other of element.querySelectorAll("details[open]")) if (other !== details) other.open = false;
      } else if (opened === name) opened = "";
    });
    return details;
  }

  return { update };
}

function formulas(parts) {
  const rows = [...MEMORY_PARTS, ["total", "peak"]].filter(([part]) => parts[part] || part === "total");
  const aside = parts.logits ? ` Of these ${humanBytes(parts.logits)} are logits, kept by the loss.` : "";
  return make("table", { class: "plan-formulas" }, make("tbody", {}, ...rows.map(([part, words]) =>
    make("tr", {}, make("th", { scope: "row", "data-part": part }, words), make("td", { class: "tabular" }, humanBytes(parts[part])),
      make("td", { class: "tabular quiet plan-exact" }, `${parts[part].toLocaleString("en")} B`),
      make("td", { class: "quiet" }, parts.formulas[part] + (part === "activations" ? aside : ""))))));
}

function spoken(parts) {
  const said = MEMORY_PARTS.filter(([part]) => parts[part]).map(([part, words]) => `${words} ${humanBytes(parts[part])}`);
  return `peak ${humanBytes(parts.total)}; ${said.join(", ")}`;
}
