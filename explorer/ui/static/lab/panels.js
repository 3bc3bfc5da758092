/** The Lab's panels: for each its title, what it is for, and how it is made. Those not shown are not even loaded. */

import { loadPlotly } from "../shared/plots.js";

/**
 * @typedef {object} Panel one panel at work
 * @property {(run: import("./run.js").Run) => void} reset begin with a run
 * @property {(run: import("./run.js").Run) => void} update draw what is new in it; only while the panel is shown
 * @property {(lanes: Set<number>) => void} hide lanes that are not to be seen
 * @property {() => void} theme the page's colours have changed
 * @property {(run: import("./run.js").Run) => string | null} empty words in place of the panel's content: "" where there
 *   is content, null where there is none and nothing particular to say
 * @property {(run: import("./run.js").Run) => string} summary the content in words
 *
 * @typedef {object} Tools
 * @property {import("../shared/codec.js").Format[]} formats
 * @property {Record<string, {cpu: string, cuda: string}>} policies functions that autocast treats otherwise on a CPU
 * @property {() => void} changed to be called when a panel got something that no frame brought
 */

/** @type {Record<string, {title: string, purpose: string, make: (panel: HTMLElement, tools: Tools) => Promise<Panel>}>} */
export const PANELS = {
  loss: {
    title: "Loss",
    purpose: "The loss, a line a lane, step by step.",
    make: async (panel) => (await import("./loss.js")).create(await loadPlotly(), panel),
  },
  scale: {
    title: "Scale factor",
    purpose: "The loss scale of the FP16 lanes: it grows, overflows, backs off.",
    make: async (panel) => (await import("./scale.js")).create(await loadPlotly(), panel),
  },
  memory: {
    title: "Memory",
    purpose: "What each lane's bytes are spent on, measured.",
    make: async (panel) => (await import("./memory.js")).create(await loadPlotly(), panel),
  },
  bits: {
    title: "Bits",
    purpose: "One weight of the model, bit by bit, in every format it passes through.",
    make: async (panel, tools) => (await import("./bits.js")).create(panel, tools.formats),
  },
  gradients: {
    title: "Gradients",
    purpose: "How large the gradients are, step by step, against what the format can hold, and which layer goes bad first.",
    make: async (panel, tools) => (await import("./gradients.js")).create(await loadPlotly(), panel, tools),
  },
  updates: {
    title: "Updates",
    purpose: "Which share of the weights an update leaves as they were, being smaller than half their last bit.",
    make: async (panel, tools) => (await import("./updates.js")).create(await loadPlotly(), panel, tools),
  },
  operations: {
    title: "Operations",
    purpose: "What each module's operations really ran in, forward and backward, and what was cast for them.",
    make: async (panel, tools) => (await import("./operations.js")).create(panel, tools),
  },
  timeline: {
    title: "Memory over one step",
    purpose: "What holds the memory at each moment of one step: forward, backward, optimizer.",
    make: async (panel, tools) => (await import("./timeline.js")).create(await loadPlotly(), panel, tools),
  },
  speed: {
    title: "Speed",
    purpose: "Where a step's time goes, and how much of the device's matrix rate it reaches.",
    make: async (panel) => (await import("./speed.js")).create(await loadPlotly(), panel),
  },
};

/** The four that are shown where nobody chose. */
export const FIRST_SHOWN = ["loss", "scale", "memory", "bits"];
