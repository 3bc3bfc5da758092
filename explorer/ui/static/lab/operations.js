/** The operations panel: what one lane's modules really ran in which dtype, a row each, to be searched. */

import { humanBytes } from "../shared/bytes.js";
import { make, setText } from "../shared/dom.js";
import { createFetched } from "./fetched.js";
import { createLaneChoice } from "./lane_choice.js";

/** Rows that are drawn; who looks for one among more types a word of it. */
const MOST_DRAWN = 250;

const COLUMNS = [
  ["module", "module"],
  ["op", "operation"],
  ["direction", "pass"],
  ["dtypes", "in → out"],
  ["count", "times"],
  ["cast_bytes", "casts"],
];
const FIGURES = new Set(["count", "cast_bytes"]);

/** What autocast does to a function's arguments. */
const POLICIES = {
  compute: "casts to the compute format",
  fp32: "casts to float32",
  widest: "casts to the widest of the arguments",
  given: "leaves the arguments as they are",
  refused: "refuses the call",
};

/**
 * @param {HTMLElement} panel
 * @param {import("./panels.js").Tools} tools
 */
export function create(panel, tools) {
  const told = (row) => ({ ...row, otherwise: otherwise(row.op, tools.policies) });
  const place = panel.querySelector(".table-body");
  const search = panel.querySelector("[data-search]");
  const note = panel.querySelector(".panel-note");
  const choice = createLaneChoice(panel.querySelector("[data-lane-choice]"), changed);
  const fetched = createFetched("operations", (run) => run.apart.operations ?? 0, changed);
  let run = null;
  let sorted = { by: null, down: false };

  search.addEventListener("input", draw);
  place.addEventListener("click", (event) => {
    const by = event.target.closest("[data-sort]")?.dataset.sort;
    if (!by) return;
    sorted = { by, down: sorted.by === by ? !sorted.down : FIGURES.has(by) };
    draw();
    place.querySelector(`[data-sort="${by}"]`)?.focus();
  });

  function changed() {
    draw();
    tools.changed();
  }

  function draw() {
    const data = fetched.lanes?.[choice.lane];
    if (!data) {
      place.replaceChildren();
      setText(note, "");
      return;
    }
    const all = run.lanes[choice.lane]?.recipe.endsWith("-amp") ? data.rows.map(told) : data.rows;
    const rows = found(all, search.value);
    const bytes = rows.reduce((sum, row) => sum + row.cast_bytes, 0);
    const differ = rows.filter((row) => row.otherwise).length;
    setText(note, `${rows.length} of ${data.count} · ${humanBytes(bytes)} cast${differ ? ` · ${differ} ≠ CUDA` : ""}`);
    note.title = differ ? `${note.textContent}: ${differ} rows are of functions that autocast treats otherwise on a CPU than on CUDA` : note.textContent;
    const scrolled = place.scrollTop;
    const body = make("tbody", {}, ...inOrder(rows, sorted).slice(0, MOST_DRAWN).map(line));
    const table = make("table", { class: "operations-table" }, make("thead", {}, head(sorted)), body);
    place.replaceChildren(table);
    if (rows.length > MOST_DRAWN) {
      place.append(make("p", { class: "quiet" }, `${rows.length - MOST_DRAWN} more rows: search to see them.`));
    }
    if (!rows.length) place.append(make("p", { class: "quiet" }, "No operation has all of these words."));
    place.scrollTop = scrolled;
  }

  return {
    reset(next) {
      run = next;
      choice.reset(run);
      fetched.look(run);
      draw();
    },
    update(next) {
      run = next;
      fetched.look(run);
    },
    // One lane is shown, whichever are hidden elsewhere.
    hide() {},
    theme() {},
    empty: () => fetched.empty(Boolean(fetched.lanes?.[choice.lane]), "No operations were recorded in this run."),
    summary: () => (fetched.lanes ?? []).map((data, index) => sentence(data, run.lanes[index])).join(" "),
  };
}

/**
 * The rows that have every word of a search somewhere in them.
 * @param {Record<string, any>[]} rows
 * @param {string} text
 */
export function found(rows, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return rows;
  return rows.filter((row) => {
    const all = `${Object.values(row).join(" ")} ${row.emulated ? "emulated" : ""}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/**
 * What autocast does to a function on CUDA and on a CPU, where that is not the same; "" where it is.
 * @param {string} op the name of what ran, which is often that of the function's own kernel, or of its backward
 * @param {Record<string, {cpu: string, cuda: string}>} policies
 */
export function otherwise(op, policies) {
  const name = op.replace(/^_+|^native_/, "").replace(/(_backward)?(_data)?$/, "");
  if (!Object.hasOwn(policies ?? {}, name)) return "";
  const { cpu, cuda } = policies[name];
  return `autocast ${POLICIES[cuda]} on CUDA, but ${POLICIES[cpu]} on a CPU`;
}

/** Sorted by a column; as they were run where none was chosen. */
function inOrder(rows, { by, down }) {
  if (!by) return rows;
  const compare = (a, b) => (FIGURES.has(by) ? a[by] - b[by] : value(a, by).localeCompare(value(b, by)));
  return rows.toSorted((a, b) => (down ? -compare(a, b) : compare(a, b)));
}

function value(row, column) {
  if (column === "dtypes") {
    const mark = row.emulated ? "≈ " : "";
    return mark + (row.dtype_in === row.dtype_out ? row.dtype_in : `${row.dtype_in} → ${row.dtype_out}`);
  }
  if (column === "cast_bytes") return row.casts ? `${row.casts} · ${humanBytes(row.cast_bytes)}` : "";
  if (column === "module") return row.module || "(the model)";
  return String(FIGURES.has(column) ? row[column] || "" : row[column]);
}

function head(sorted) {
  const row = make("tr");
  for (const [column, words] of COLUMNS) {
    const order = sorted.by === column ? (sorted.down ? "descending" : "ascending") : "none";
    const button = make("button", { type: "button", "data-sort": column }, words);
    row.append(make("th", { scope: "col", "aria-sort": order, class: FIGURES.has(column) ? "figure" : "" }, button));
  }
  return row;
}

function line(row) {
  const cells = COLUMNS.map(([column]) => {
    const text = value(row, column);
    const told = { module: text, op: text, dtypes: row.emulated ? "Emulated: the same numbers by another way" : "" };
    const cell = make("td", { class: FIGURES.has(column) ? "figure" : "", title: told[column] ?? "" }, make("bdi", {}, text));
    if (column === "op" && row.otherwise) {
      cell.title = `${text}: ${row.otherwise}`;
      // In front, where a long name leaves it in sight.
      cell.prepend(make("span", { class: "otherwise" }, "≠"));
    }
    return cell;
  });
  return make("tr", { "data-direction": row.direction }, ...cells);
}

/** A lane's operations in words. */
function sentence(data, lane) {
  if (!data) return "";
  const dtypes = [...new Set(data.rows.map((row) => row.dtype_out))].join(", ");
  const casts = data.rows.reduce((sum, row) => sum + row.casts, 0);
  const bytes = data.rows.reduce((sum, row) => sum + row.cast_bytes, 0);
  return `${lane.name}: ${data.count} kinds of operations in ${dtypes}; ${casts} casts, ${humanBytes(bytes)}.`;
}
