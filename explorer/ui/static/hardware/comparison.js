/** Two results side by side: reading one that a person gives, and what there is to compare. Pure functions. */

import { BadInput, shortened } from "../shared/bad-input.js";

export const MOST_CHARACTERS = 2_000_000;
const VERSION = 1;

/**
 * A result out of a file or a clipboard.
 * @param {string} text
 * @returns {object}
 * @throws {BadInput}
 */
export function readResult(text) {
  if (text.length > MOST_CHARACTERS) throw new BadInput("This is too long to be a check's result.");
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    throw new BadInput(`result: got ${shortened(text.trim() || "nothing")}, but takes the JSON that export or check --json gives.`);
  }
  if (found === null || typeof found !== "object" || !Array.isArray(found.matmul) || !Array.isArray(found.devices)) {
    throw new BadInput("This is JSON, but no result of a check: matmul and devices are missing.");
  }
  if (found.version !== VERSION) {
    throw new BadInput(`This result is of version ${shortened(String(found.version))}; version ${VERSION} can be read here.`);
  }
  const positive = (row, field) => row && typeof row === "object" && Number.isFinite(row[field]) && row[field] > 0;
  const sound = found.matmul.every((row) => positive(row, "gflops") && typeof row.format === "string") &&
    (found.training ?? []).every((row) => positive(row, "step_ms") && typeof row.recipe === "string") &&
    (!found.bandwidth || positive(found.bandwidth, "gb_per_s"));
  if (!sound) throw new BadInput("This result has figures that are no positive numbers.");
  return found;
}

/** The name of what was measured. @param {object} result */
export function nameOf(result) {
  const device = result.devices.find((each) => each?.device === result.device);
  return String(device?.name ?? result.device ?? "unknown");
}

/**
 * What both can be compared in, one row each; `ratio` is how many times as fast the second is.
 * @param {object} first
 * @param {object} second
 * @returns {{kind: "product" | "memory" | "step", name: string, first: number | null, second: number | null, ratio: number | null}[]}
 */
export function compared(first, second) {
  return [
    ...paired("product", first.matmul, second.matmul, "format", "gflops", false),
    ...paired("memory", listed(first.bandwidth), listed(second.bandwidth), "what", "gb_per_s", false),
    ...paired("step", first.training ?? [], second.training ?? [], "recipe", "step_ms", true),
  ];
}

function listed(bandwidth) {
  return bandwidth ? [{ ...bandwidth, what: "copy" }] : [];
}

function paired(kind, firsts, seconds, key, field, lessIsMore) {
  const names = [...new Set([...firsts, ...seconds].map((row) => row[key]))];
  return names.map((name) => {
    const value = (rows) => rows.find((row) => row[key] === name)?.[field] ?? null;
    const [first, second] = [value(firsts), value(seconds)];
    const ratio = first === null || second === null ? null : lessIsMore ? first / second : second / first;
    return { kind, name, first, second, ratio };
  });
}
