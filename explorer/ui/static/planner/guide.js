/** The guide's table of memory beside the count, and the published formula of activations beside the trace. */

import { humanBytes } from "../shared/bytes.js";
import { make } from "../shared/dom.js";

/** @param {HTMLElement} element */
export function create(element) {
  return {
    /** @param {object | null} plan the answer of the latest recipe @param {Record<string, object>} recipes */
    update(plan, recipes) {
      const traced = recipes["bf16-pure"] ?? recipes["bf16-amp"];
      element.hidden = !plan || !(plan.guide || plan.published);
      if (element.hidden) return;
      element.replaceChildren(make("header", {}, make("h2", {}, "Beside published figures")));
      if (plan.guide) element.append(ofGuide(plan.guide));
      if (plan.published && traced) {
        const name = recipes["bf16-pure"] ? "BF16 pure" : "BF16 autocast";
        element.append(make("p", { class: "plan-note" },
          `Activations: ${humanBytes(traced.activations)} traced for ${name}, ${humanBytes(plan.published.activations)} by the formula of `,
          make("span", { class: "quiet" }, plan.published.source),
          ". The formula is for a GPT with dropout and an MLP of four times the width, in 16 bits throughout, without embedding and logits; gated MLPs and norms in float32 keep more."));
      }
    },
  };
}

function ofGuide(guide) {
  const gb = (value) => `${value.toFixed(value < 10 ? 1 : 0)} GB`;
  const { weights, gradients, adamw, sum } = guide.counted_gb;
  const cells = [["weights, 4 bytes", weights], ["gradients, 4 bytes", gradients], ["AdamW's moments, 8 bytes", adamw], ["sum", sum]];
  return make("div", { class: "plan-guide" },
    make("div", { class: "plan-scroll" }, make("table", { class: "plan-fits" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, `${guide.size} in FP32`), ...cells.map(([words]) => make("th", { scope: "col" }, words)))),
      make("tbody", {},
        make("tr", {}, make("th", { scope: "row" }, "counted"), ...cells.map(([, value]) => make("td", { class: "tabular" }, gb(value)))),
        make("tr", {}, make("th", { scope: "row" }, "the guide"), make("td", { class: "quiet" }, "—"), make("td", { class: "quiet" }, "—"), make("td", { class: "quiet" }, "—"), make("td", { class: "tabular" }, gb(guide.fp32_gb)))))),
    make("p", { class: "plan-note" }, guide.reason));
}
