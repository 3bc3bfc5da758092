/**
 * What is planned, and the link that restores it: plain data, no page.
 *
 * @typedef {object} State
 * @property {string} model a model's name, `hub` or `config`
 * @property {string} hub id on the hub, where that is what is planned
 * @property {string} config text of a config.json, likewise
 * @property {string} batch as typed; empty for the model's usual
 * @property {string} sequence likewise
 * @property {string} optimizer
 * @property {string} gpus
 * @property {string} sharding
 * @property {string} attention
 * @property {boolean} checkpointing
 * @property {string[]} recipes those shown; empty for all
 */

/** @type {State} */
export const DEFAULTS = {
  model: "llama-2-7b",
  hub: "",
  config: "",
  batch: "",
  sequence: "",
  optimizer: "adamw",
  gpus: "1",
  sharding: "none",
  attention: "sdpa",
  checkpointing: false,
  recipes: [],
};

const KEYS = { model: "m", hub: "hub", config: "config", batch: "b", sequence: "s", optimizer: "o", gpus: "g", sharding: "sh", attention: "a" };

/** Presets: what one click shows. */
export const PRESETS = [
  ["7B on one GPU", {}],
  ["7B, half stored, 8-bit AdamW", { optimizer: "adamw-8bit", checkpointing: true, recipes: ["bf16-amp", "bf16-pure", "bf16-pure-stochastic"] }],
  ["70B on 64 GPUs, FSDP", { model: "llama-2-70b", gpus: "64", sharding: "fsdp", checkpointing: true, sequence: "4096" }],
  ["7B without fused attention", { attention: "eager", sequence: "4096" }],
  ["GPT-2 124M, batch 32", { model: "gpt2", batch: "32" }],
  ["the Lab's GPT-2", { model: "gpt2-tiny" }],
];

/**
 * The state that an address asks for; what makes no sense in it is left at its default.
 * @param {URLSearchParams} query
 * @param {{models: string[], recipes: string[]} & Record<string, string[]>} known
 * @returns {State}
 */
export function readLink(query, known) {
  const state = { ...DEFAULTS, recipes: [] };
  for (const [field, key] of Object.entries(KEYS)) {
    const value = query.get(key);
    if (value === null) continue;
    const among = { model: [...known.models, "hub", "config"], optimizer: known.optimizers, sharding: known.shardings, attention: known.attentions }[field];
    if (!among || among.includes(value)) state[field] = value;
  }
  state.checkpointing = query.get("c") === "1";
  const asked = (query.get("r") ?? "").split(",");
  state.recipes = known.recipes.filter((name) => asked.includes(name));
  return state;
}

/** The query of a link to a state: only what differs from the page as it opens. @param {State} state */
export function writeLink(state) {
  const query = new URLSearchParams();
  for (const [field, key] of Object.entries(KEYS)) if (state[field] !== DEFAULTS[field]) query.set(key, state[field]);
  if (state.model !== "hub") query.delete("hub");
  if (state.model !== "config") query.delete("config");
  if (state.checkpointing) query.set("c", "1");
  if (state.recipes.length) query.set("r", state.recipes.join(","));
  const text = query.toString();
  return text && `?${text.replaceAll("%2C", ",")}`;
}

/** A whole number where the text is one; else the text, which the planner refuses in a sentence. @param {string} text */
export function number(text) {
  const plain = text.trim().replaceAll(",", "");
  return /^-?\d{1,15}$/.test(plain) ? Number(plain) : plain === "" ? null : text;
}

/**
 * The question to the planner about one recipe.
 * @param {State} state
 * @param {string} recipe
 */
export function request(state, recipe) {
  const source = state.model === "config" ? { config: state.config } : { model: state.model === "hub" ? `hub:${state.hub.trim()}` : state.model };
  return {
    ...source,
    recipes: [recipe],
    batch: number(state.batch),
    sequence: number(state.sequence),
    optimizer: state.optimizer,
    gpus: number(state.gpus) ?? 1,
    sharding: state.sharding,
    checkpointing: state.checkpointing,
    attention: state.attention,
  };
}
