/** What every plot shares: loading Plotly, the layout in the page's colours, its size, and saving it as a picture. */

import { saveAs } from "./dom.js";
import { colour } from "./palette.js";

/** @type {Promise<any> | null} */
let loading = null;

/** Plotly, loaded once, from this server. @returns {Promise<any>} */
export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector("[data-plotly]")?.dataset.plotly ?? "";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      loading = null;
      reject(new Error("Plotly could not be loaded"));
    };
    document.head.append(script);
  });
  return loading;
}

/** The bar of buttons is left out: panels have their own, with labels that can be read. */
export const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset+autosize", showTips: false };

/** A text that Plotly shows as it stands. Plotly reads some markup, and entities. @param {string} text */
export function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The colours of a layout under the present theme, as a flat update for `Plotly.relayout`. */
export function themed() {
  const axis = (name) => ({
    [`${name}.gridcolor`]: colour("plot-grid"),
    [`${name}.linecolor`]: colour("plot-line"),
    [`${name}.zerolinecolor`]: colour("plot-grid"),
    [`${name}.tickcolor`]: colour("plot-line"),
    [`${name}.spikecolor`]: colour("plot-line"),
  });
  return {
    "font.color": colour("plot-text"),
    "hoverlabel.bgcolor": colour("plot-hover"),
    "hoverlabel.bordercolor": colour("plot-line"),
    "hoverlabel.font.color": colour("plot-ink"),
    ...axis("xaxis"),
    ...axis("yaxis"),
  };
}

/**
 * A layout without colours.
 * @param {string} xTitle
 * @param {string} yTitle
 */
export function layout(xTitle, yTitle) {
  // Wide touch screens zoom by dragging too; on a phone a drag scrolls the page.
  const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
  const axis = { showline: true, zeroline: false, ticks: "outside", ticklen: 3, automargin: true };
  return {
    font: { family: "system-ui, sans-serif", size: 11 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 56, r: 12, t: 8, b: 34 },
    showlegend: false,
    dragmode,
    hovermode: "x unified",
    hoverlabel: { namelength: -1, font: { size: 11 } },
    xaxis: { ...axis, title: { text: xTitle, standoff: 4 } },
    yaxis: { ...axis, title: { text: yTitle, standoff: 6 } },
  };
}

/** Draw a plot anew whenever its element changes size. Plotly's own way does not see a sidebar move. */
export function keepSized(Plotly, element) {
  let pending = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(() => {
      if (element.offsetWidth && element.offsetHeight) Plotly.Plots.resize(element);
    });
  }).observe(element);
}

/**
 * A drawing that is made at most every so many milliseconds: `now` makes it at once, `soon` when that time is over.
 * @param {() => void} draw
 * @param {number} milliseconds
 */
export function paced(draw, milliseconds) {
  let drawnAt = 0;
  let timer = 0;
  function now() {
    clearTimeout(timer);
    drawnAt = performance.now();
    draw();
  }
  function soon() {
    clearTimeout(timer);
    const wait = drawnAt + milliseconds - performance.now();
    if (wait <= 0) now();
    else timer = setTimeout(now, wait);
  }
  return { now, soon, cancel: () => clearTimeout(timer) };
}

/** A lane's name as plain text that leaves a plot its room. @param {string} name @param {number} [longest] */
export function shortName(name, longest = 18) {
  return plain(name.length <= longest ? name : `${name.slice(0, longest - 1)}…`);
}

/**
 * The vertical axis of a plot with a bar a lane, the first one on top.
 * @param {object} axis as the layout has it now
 * @param {string[]} names of the lanes
 */
export function barAxis(axis, names) {
  return {
    ...axis,
    tickvals: names.map((_, row) => row),
    ticktext: names.map((name) => shortName(name)),
    ticks: "",
    autorange: false,
    range: [Math.max(names.length, 2) - 0.45, -0.55],
    fixedrange: true,
  };
}

/**
 * Save a plot as a picture that stands alone: with title, legend and a background.
 * @param {any} Plotly
 * @param {HTMLElement & {data: object[], layout: object}} element
 * @param {{format: "png" | "svg", title: string, filename: string}} options
 */
export async function savePicture(Plotly, element, { format, title, filename }) {
  const picture = {
    data: element.data,
    layout: {
      ...element.layout,
      title: { text: plain(title), x: 0.02, font: { size: 15 } },
      margin: { l: 70, r: 20, t: 50, b: 50 },
      paper_bgcolor: colour("panel-fill"),
      showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 1, xanchor: "right" },
      autosize: false,
    },
  };
  const address = await Plotly.toImage(picture, { format, width: 960, height: 540, scale: format === "png" ? 2 : 1 });
  saveAs(address, `${filename}.${format}`);
}

/**
 * At most about `most` of the points of a series, which keep its shape: of every bucket the lowest and the highest.
 * @param {number[]} xs
 * @param {(number | null)[]} ys
 * @param {number} most
 * @returns {number[]} indices, in order
 */
export function thinned(xs, ys, most) {
  const all = xs.length;
  if (all <= most) return Array.from({ length: all }, (_, index) => index);
  // A power of two, so that buckets stay where they are while points come in.
  const size = 2 ** Math.ceil(Math.log2((2 * all) / most));
  const kept = [];
  for (let begin = 0; begin < all; begin += size) {
    const end = Math.min(begin + size, all);
    let low = -1;
    let high = -1;
    let gap = -1;
    for (let index = begin; index < end; index++) {
      const y = ys[index];
      if (y === null || !Number.isFinite(y)) gap = index;
      else {
        if (low < 0 || y < ys[low]) low = index;
        if (high < 0 || y > ys[high]) high = index;
      }
    }
    kept.push(...[...new Set([low, high, gap].filter((index) => index >= 0))].sort((a, b) => a - b));
  }
  if (kept.at(-1) !== all - 1) kept.push(all - 1);
  return kept;
}
