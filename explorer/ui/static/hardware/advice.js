/** What to train in here, why, and the code for it. */

import { copyFor, make, setText } from "../shared/dom.js";

/** @param {HTMLElement} element @param {{labels: Record<string, string>}} context */
export function create(element, { labels }) {
  const label = (recipe) => labels[recipe] ?? recipe;
  const heading = make("h2", {}, "Train in");
  const headline = make("p", { class: "hw-recipe" });
  const reason = make("p");
  const others = make("dl", { class: "hw-others" });
  const tabs = make("div", { class: "hw-tabs", role: "tablist", "aria-label": "Code for" });
  const code = make("pre", { class: "hw-code", tabindex: "0", role: "tabpanel", "aria-label": "Code" });
  const note = make("p", { class: "quiet hw-note" });
  const copy = make("button", { type: "button", class: "tool", "data-copy-code": "" }, "copy");
  element.append(
    make("div", { class: "hw-advice" },
      make("div", {}, heading, headline, reason, others),
      make("div", { class: "hw-listing" }, make("div", { class: "hw-tabbar" }, tabs, copy), code, note)),
  );
  let shown = null;
  let chosen = "PyTorch";

  tabs.addEventListener("click", (event) => event.target.dataset.tab && choose(event.target.dataset.tab));
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = shown.code.map(({ name }) => name);
    choose(names[(names.indexOf(chosen) + step + names.length) % names.length]);
    tabs.querySelector("[aria-selected=true]").focus();
  });
  copy.addEventListener("click", () => copyFor(copy, code.textContent));

  function choose(name) {
    chosen = name;
    const listing = shown.code.find((each) => each.name === name) ?? shown.code[0];
    for (const tab of tabs.children) {
      const selected = tab.dataset.tab === listing.name;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
    }
    setText(code, listing.code);
    setText(note, listing.note);
    note.hidden = !listing.note;
  }

  return {
    /** @param {object | null} result @param {object | null} entry */
    update(result, entry) {
      setText(heading, entry?.state === "running" ? "So far: train in" : "Train in");
      const advice = result?.advice;
      if (!advice || JSON.stringify(advice) === JSON.stringify(shown)) return;
      shown = advice;
      setText(headline, label(advice.recipe));
      setText(reason, advice.reason);
      const entries = [...(advice.runner_up ? [["Runner-up", advice.runner_up]] : []), ...advice.avoid.map((each) => ["Not", each])];
      others.replaceChildren(
        ...entries.flatMap(([kind, each]) => [
          make("dt", { "data-kind": kind }, kind),
          make("dd", {}, make("b", {}, label(each.recipe)), ` ${each.reason}`),
        ]),
      );
      tabs.replaceChildren(
        ...advice.code.map(({ name }) => make("button", { type: "button", role: "tab", "data-tab": name }, name)),
      );
      choose(advice.code.some(({ name }) => name === chosen) ? chosen : advice.code[0].name);
    },
  };
}
