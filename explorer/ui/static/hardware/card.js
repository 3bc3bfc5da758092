/** The result as a picture that stands alone: drawn on a canvas in the page's colours, from the result's own figures. */

import { colour } from "../shared/palette.js";
import { humanBytes } from "../shared/bytes.js";
import { digits, percent, rate, times, when } from "./numbers.js";

const WIDTH = 960;
const MARGIN = 36;
const LINE = 24;
const FONT = "system-ui, sans-serif";

/**
 * What the card says, from the top: texts and bars. Pure, so that it can be tested without a canvas.
 * @param {{created: number, check: string, result: object}} entry
 * @param {{labels: Record<string, string>}} context
 */
export function cardLines({ created, result }, { labels }) {
  const label = (name) => labels[name] ?? name;
  const device = result.devices.find((each) => each.device === result.device);
  const peaks = new Map((result.datasheet?.formats ?? []).map((row) => [row.format, row]));
  const most = Math.max(1e-9, ...result.matmul.map((row) => row.gflops));
  const memory = device.memory_total ? `, ${humanBytes(device.memory_total)}` : "";
  const lines = [
    { kind: "title", text: device.name },
    { kind: "quiet", text: `${device.device}${memory}, PyTorch ${device.torch} (${device.build}), measured ${when(created)}` },
    { kind: "heading", text: "Matrix products" },
    ...result.matmul.map((row) => ({
      kind: "bar",
      name: label(row.format),
      share: row.gflops / most,
      figure: rate(row.gflops, row.format),
      emulated: row.support === "emulated",
      aside: peaks.has(row.format) ? `${percent(peaks.get(row.format).share)} of peak` : row.support === "emulated" ? "not used" : "",
    })),
  ];
  if (result.speedups.length) {
    lines.push({ kind: "heading", text: "Training step of gpt2-tiny, times as fast as FP32" });
    const longest = Math.max(1e-9, ...result.speedups.map((row) => row.training ?? 0));
    for (const row of result.speedups.filter(({ training }) => training)) {
      const aside = row.support === "native" ? "" : row.support;
      lines.push({ kind: "bar", name: label(row.recipe), share: row.training / longest, figure: times(row.training), aside, emulated: row.support !== "native" });
    }
  }
  if (result.bandwidth) lines.push({ kind: "heading", text: "Memory" }, { kind: "text", text: `${digits(result.bandwidth.gb_per_s)} GB read and written a second, copying` });
  if (result.advice) {
    lines.push({ kind: "heading", text: `Train in ${label(result.advice.recipe)}` }, { kind: "text", text: result.advice.reason });
  }
  return lines;
}

/** The card as the address of a PNG. */
export async function pngOf(entry, context) {
  const lines = cardLines(entry, context);
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const height = draw(pen, lines, false);
  const scale = 2;
  canvas.width = scale * WIDTH;
  canvas.height = scale * height;
  pen.scale(scale, scale);
  pen.fillStyle = colour("panel-fill");
  pen.fillRect(0, 0, WIDTH, height);
  draw(pen, lines, true);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return URL.createObjectURL(blob);
}

/** Draw, or only measure; the height that it takes. */
function draw(pen, lines, seen) {
  let y = MARGIN;
  const text = (words, x, font, ink, align = "left") => {
    pen.font = font;
    pen.fillStyle = colour(ink);
    pen.textAlign = align;
    if (seen) pen.fillText(words, x, y);
  };
  for (const line of lines) {
    if (line.kind === "title") {
      y += 14;
      text(line.text, MARGIN, `650 26px ${FONT}`, "ink");
      y += 26;
    } else if (line.kind === "heading") {
      y += 18;
      text(line.text, MARGIN, `650 16px ${FONT}`, "ink");
      y += LINE + 2;
    } else if (line.kind === "bar") {
      const [left, right] = [MARGIN + 190, WIDTH - MARGIN - 250];
      text(line.name, MARGIN, `14px ${FONT}`, "ink");
      if (seen) {
        pen.fillStyle = colour("page-fill");
        pen.fillRect(left, y - 11, right - left, 13);
        pen.fillStyle = colour(line.emulated ? "ink-quiet" : "lane-0");
        pen.fillRect(left, y - 11, Math.max(2, (right - left) * line.share), 13);
      }
      text(line.figure, right + 130, `600 14px ${FONT}`, "ink", "right");
      text(line.aside, right + 146, `13px ${FONT}`, "ink-quiet");
      y += LINE;
    } else {
      const ink = line.kind === "quiet" ? "ink-quiet" : "ink";
      for (const words of wrapped(pen, line.text, `14px ${FONT}`)) {
        text(words, MARGIN, `14px ${FONT}`, ink);
        y += LINE - 3;
      }
    }
  }
  y += 16;
  text("Mixed-Precision Explorer", WIDTH - MARGIN, `12px ${FONT}`, "ink-quiet", "right");
  return y + 18;
}

function wrapped(pen, text, font) {
  pen.font = font;
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width > WIDTH - 2 * MARGIN) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}
