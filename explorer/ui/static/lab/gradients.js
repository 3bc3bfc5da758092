/**
 * The gradients panel: for each lane a heat map of the sizes of its gradients over the steps, against what the format
 * can hold; or, layer by layer, which shares are zero, subnormal and not finite.
 */

import { make, setText } from "../shared/dom.js";
import { colour, faint, laneColour } from "../shared/palette.js";
import { CONFIG, keepSized, layout, plain, shortName, themed } from "../shared/plots.js";
import { createFetched } from "./fetched.js";
import { showLayers } from "./layers.js";

/** Parts that the bins of a histogram are counted in, as the server does. */
const PER = 10_000;
/** Powers of two between the last bin and the rows for zeros and for what is not finite. */
const APART = 3;
/** A format whose numbers span more powers of two than this has its ends out of sight. */
const NARROW = 80;
/** Width of a map, in pixels, from which on there is room for its format's range behind its name. */
const ROOMY = 230;
const LONGEST_NAME = 20;
/** Gap between two maps, in shares of the plot. */
const GAP = { x: 0.05, y: 0.15 };

/**
 * @param {any} Plotly
 * @param {HTMLElement} panel
 * @param {import("./panels.js").Tools} tools
 */
export async function create(Plotly, panel, tools) {
  const element = panel.querySelector(".plot");
  const table = panel.querySelector("[data-layers]");
  const note = panel.querySelector(".panel-note");
  const formats = new Map(tools.formats.map((format) => [format.name, format]));
  const fetched = createFetched("gradients", (run) => run.last, received);
  let hidden = new Set();
  let run = null;
  let view = "activations";

  await Plotly.newPlot(element, [], layout("step", ""), CONFIG);
  Plotly.relayout(element, themed());
  keepSized(Plotly, element);

  panel.addEventListener("click", (event) => {
    const button = event.target.closest("[data-view]");
    if (!button) return;
    view = button.dataset.view;
    for (const each of panel.querySelectorAll("[data-view]")) each.setAttribute("aria-pressed", String(each === button));
    draw();
    tools.changed();
  });

  function received() {
    draw();
    tools.changed();
  }

  function draw() {
    const layered = view === "layers";
    element.hidden = layered;
    table.hidden = !layered;
    const lanes = (fetched.lanes ?? []).map((data, index) => ({ ...data, index, lane: run.lanes[index] }));
    const seen = lanes.filter(({ index, lane }) => lane && !hidden.has(index));
    const bad = firstBad(seen);
    setText(note, bad ? `first not finite: ${bad.layer}, step ${bad.step}` : "");
    note.title = bad ? `Of the sampled steps, ${bad.lane.name} has the first gradient that is infinite or NaN at step ${bad.step}: in ${bad.layer}.` : "";
    note.classList.toggle("danger", Boolean(bad));
    if (layered) showLayers(table, seen);
    else drawMaps(seen.filter((data) => data[view].some(Boolean)));
  }

  function drawMaps(seen) {
    const span = spanOf(seen, view);
    const columns = seen.length > 1 ? 2 : 1;
    const rows = Math.ceil(seen.length / columns);
    const now = layout("step", "");
    const more = { annotations: [], shapes: [] };
    const ticks = ticksOf(span, rows);
    const traces = seen.map((data, at) => {
      const [column, row] = [at % columns, Math.floor(at / columns)];
      const suffix = at ? String(at + 1) : "";
      const across = part(column, columns, GAP.x);
      const down = part(rows - 1 - row, rows, GAP.y);
      const last = row === rows - 1 || at + columns >= seen.length;
      more[`xaxis${suffix}`] = {
        ...now.xaxis,
        domain: across,
        anchor: `y${suffix}`,
        title: last ? { text: "step", standoff: 2 } : { text: "" },
        showticklabels: last,
        range: [-0.5, Math.max(1, run.started.config.steps - 1) + 0.5],
        showgrid: false,
      };
      more[`yaxis${suffix}`] = {
        ...now.yaxis,
        domain: down,
        anchor: `x${suffix}`,
        range: [span.zero - 1, span.bad + 1],
        tickvals: ticks.map(([value]) => value),
        ticktext: ticks.map(([, text]) => text),
        showticklabels: column === 0,
        title: column === 0 && rows === 1 ? { text: "|gradient|", standoff: 4 } : { text: "" },
        showgrid: false,
      };
      const format = formats.get(data.format ?? formatOf(data.lane));
      more.annotations.push(heading(data, format, across, down, element.clientWidth / columns > ROOMY));
      more.shapes.push(...limits(format, suffix));
      return { ...heat(data, view, span), xaxis: `x${suffix}`, yaxis: `y${suffix}` };
    });
    const base = { ...now, ...more, hovermode: "closest", margin: { l: 52, r: 10, t: 18, b: 30 } };
    Plotly.react(element, traces, inColours(base), CONFIG);
  }

  return {
    reset(next) {
      run = next;
      Plotly.react(element, [], element.layout, CONFIG);
      table.replaceChildren();
      setText(note, "");
      fetched.look(run);
    },
    update(next) {
      run = next;
      fetched.look(run);
    },
    hide(lanes) {
      hidden = lanes;
      if (fetched.lanes) draw();
    },
    theme() {
      if (fetched.lanes) draw();
      else Plotly.relayout(element, themed());
    },
    empty: () =>
      fetched.empty(Boolean(fetched.lanes?.some(({ step }) => step.length)), "No gradient was sampled in this run."),
    summary: () => (fetched.lanes ?? []).map((data, index) => sentence(data, run.lanes[index])).join(" "),
  };
}

/** The format in which backward gives a lane's gradients. */
function formatOf(lane) {
  return lane.formats?.scaled_gradient ?? lane.formats?.gradient;
}

/** Where the first gradient that is not finite was sampled, of all lanes. */
function firstBad(lanes) {
  return lanes
    .filter(({ first_bad: bad }) => bad)
    .map(({ first_bad: bad, lane }) => ({ ...bad, lane }))
    .sort((a, b) => a.step - b.step)[0];
}

/** The powers of two from the least to the greatest gradient of all lanes, and the rows below and above. */
function spanOf(lanes, view) {
  let low = Infinity;
  let high = -Infinity;
  for (const data of lanes) {
    for (const histogram of data[view]) {
      if (!histogram) continue;
      low = Math.min(low, histogram[0]);
      high = Math.max(high, histogram[0] + histogram.length - 2);
    }
  }
  if (low > high) [low, high] = [-24, 0];
  return { low, high, zero: low - APART, bad: high + 1 + APART };
}

function part(at, of, gap) {
  const width = (1 - gap * (of - 1)) / of;
  return [at * (width + gap), Math.min(1, at * (width + gap) + width)];
}

/** Powers of two on the axis, and the rows for what has none. */
function ticksOf(span, rows) {
  const every = [4, 8, 16, 32, 64].find((step) => (span.high - span.low) / step <= (rows > 1 ? 4 : 8)) ?? 64;
  const powers = [];
  for (let power = Math.ceil(span.low / every) * every; power <= span.high + 1; power += every) powers.push(power);
  return [[span.zero, "zero"], ...powers.map((power) => [power, `2<sup>${power}</sup>`]), [span.bad, "∞, NaN"]];
}

function heat(data, view, span) {
  const powers = Array.from({ length: span.high - span.low + 1 }, (_, at) => span.low + at);
  const share = (histogram, power) => (histogram?.[power - histogram[0] + 1] ?? 0) / PER;
  // Zeros and what is not finite are known of the layers' outputs only.
  const extra = view === "activations";
  const shares = [
    ...(extra ? [data.zero_fraction] : []),
    ...powers.map((power) => data[view].map((histogram) => share(histogram, power))),
    ...(extra ? [data.nonfinite_fraction] : []),
  ];
  const y = [...(extra ? [span.zero] : []), ...powers.map((power) => power + 0.5), ...(extra ? [span.bad] : [])];
  const words = [...(extra ? ["zero"] : []), ...powers.map((power) => `2<sup>${power}</sup> to 2<sup>${power + 1}</sup>`), ...(extra ? ["∞ or NaN"] : [])];
  const hex = laneColour(data.index);
  return {
    type: "heatmap",
    name: plain(data.lane.name),
    x: data.step,
    y,
    z: shares.map((row) => row.map((value) => (value ? Math.max(-4, Math.log10(value)) : null))),
    text: shares.map((row, at) => row.map((value) => `${words[at]}: ${value < 0.001 ? "under 0.1" : (100 * value).toPrecision(3)} %`)),
    hovertemplate: "step %{x}<br>%{text}<extra></extra>",
    hoverongaps: false,
    zmin: -4,
    zmax: 0,
    colorscale: [
      [0, faint(hex, 0.1)],
      [0.5, faint(hex, 0.45)],
      [1, faint(hex, 1)],
    ],
    showscale: false,
    showlegend: false,
  };
}

/** Name and format above a map. */
function heading({ lane, index }, format, across, down, roomy) {
  const text = `<b>${shortName(lane.name, LONGEST_NAME)}</b>${format && roomy ? `  ${windowOf(format)}` : ""}`;
  const place = { xref: "paper", yref: "paper", x: across[0], y: down[1], xanchor: "left", yanchor: "bottom" };
  return { ...place, text, showarrow: false, font: { size: 11, color: colour("plot-ink") }, name: String(index) };
}

/** A format's name and the powers of two that it reaches from and to. */
function windowOf(format) {
  const least = Math.log2(format.smallest_subnormal ?? format.smallest_normal);
  return `${plain(format.label)}, 2<sup>${least}</sup> to 2<sup>${Math.ceil(Math.log2(format.max))}</sup>`;
}

/** What the format holds: a line at its largest number, at its smallest normal one and at its smallest of all. */
function limits(format, suffix) {
  if (!format || format.bits > 16) return [];
  const least = format.smallest_subnormal ?? format.smallest_normal;
  if (Math.log2(format.max) - Math.log2(least) > NARROW) return [];
  const line = (value, dash) => ({
    type: "line",
    xref: `x${suffix} domain`,
    yref: `y${suffix}`,
    x0: 0,
    x1: 1,
    y0: value,
    y1: value,
    line: { color: colour("plot-ink"), width: 1, dash },
  });
  return [
    line(Math.log2(format.max), "solid"),
    line(Math.log2(format.smallest_normal), "dash"),
    line(Math.log2(least), "solid"),
  ];
}

/** A layout with the present theme's colours, for all of its axes. */
function inColours(base) {
  const whole = { ...base, font: { ...base.font, color: colour("plot-text") } };
  whole.hoverlabel = { ...base.hoverlabel, bgcolor: colour("plot-hover"), bordercolor: colour("plot-line"), font: { size: 11, color: colour("plot-ink") } };
  for (const name of Object.keys(whole)) {
    if (/^[xy]axis/.test(name)) whole[name] = { ...whole[name], linecolor: colour("plot-line"), tickcolor: colour("plot-line") };
  }
  return whole;
}

/** A lane's latest sample in words. */
function sentence(data, lane) {
  if (!data.step.length) return "";
  const last = data.step.length - 1;
  const percent = (share) => `${(100 * share).toPrecision(2)} %`;
  const shares = `${percent(data.zero_fraction[last])} zero, ${percent(data.subnormal_fraction[last])} subnormal, ${percent(data.nonfinite_fraction[last])} not finite`;
  const bad = data.first_bad ? ` The first layer with a gradient that is not finite is ${data.first_bad.layer}, at step ${data.first_bad.step}.` : "";
  return `${lane.name} at step ${data.step[last]}: ${shares}.${bad}`;
}
