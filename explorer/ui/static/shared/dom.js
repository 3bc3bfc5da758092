/** Small helpers for building elements. Text only ever enters as text: nothing here parses markup. */

/**
 * An element with attributes and children.
 * @param {string} tag
 * @param {Record<string, string | number | boolean>} [attributes] `true` sets an empty attribute, `false` leaves it out
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** Set an element's text only where it differs, so that screen readers and selections are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * The sample of a lane's line: its colour and its dash, both from the style sheet.
 * @param {number} lane
 */
export function swatch(lane) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "swatch");
  svg.setAttribute("viewBox", "0 0 26 8");
  svg.setAttribute("data-lane", String(lane));
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "line");
  for (const [name, value] of [["x1", 1], ["x2", 25], ["y1", 4], ["y2", 4]]) line.setAttribute(name, String(value));
  svg.append(line);
  return svg;
}

/** Milliseconds that a button says what it has done. */
const SAID_MS = 1500;

/**
 * Copy text for the person who pressed a button, which then says how that went.
 * @param {HTMLElement} button
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked
 */
export async function copyFor(button, text) {
  const copied = await copyText(text);
  button.dataset.said = copied ? "copied" : "not copied";
  setTimeout(() => delete button.dataset.said, SAID_MS);
  return copied;
}

/** Save what an address holds. @param {string} address @param {string} filename */
export function saveAs(address, filename) {
  make("a", { href: address, download: filename }).click();
  // A blob is read only after the click.
  if (address.startsWith("blob:")) setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Save a value as JSON that people can read. @param {unknown} value @param {string} filename */
export function saveJson(value, filename) {
  saveAs(URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" })), filename);
}

/**
 * Copy text, also where the page is not a secure context and has no clipboard.
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea", { class: "sr-only", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
