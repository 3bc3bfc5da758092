/** How the page writes its figures. */

/** Three digits, never with an exponent. @param {number} value */
export function digits(value) {
  if (!Number.isFinite(value)) return "—";
  if (value >= 999.5) return Math.round(value).toLocaleString("en");
  if (value !== 0 && value < 0.001) return "< 0.001";
  return String(Number(value.toPrecision(3)));
}

/** A rate of products: 133 GFLOP/s, 1.05 TFLOP/s. @param {number} gflops @param {string} [format] */
export function rate(gflops, format = "") {
  const unit = format === "int8" ? "OP/s" : "FLOP/s";
  return gflops >= 999.5 ? `${digits(gflops / 1000)} T${unit}` : `${digits(gflops)} G${unit}`;
}

/** How many times as fast: 2.35 ×. @param {number | null} ratio */
export function times(ratio) {
  return ratio === null || ratio === undefined ? "—" : `${ratio < 9.995 ? ratio.toFixed(2) : digits(ratio)} ×`;
}

/** A share in percent. @param {number} part of 1 */
export function percent(part) {
  return `${part < 0.095 ? Number((100 * part).toPrecision(2)) : Math.round(100 * part)} %`;
}

/** Seconds: 3.4 s, 20 s, 1:05. @param {number} value */
export function seconds(value) {
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
}

/** A time of day, with the date where that is not today. @param {number} epoch in seconds */
export function when(epoch) {
  const date = new Date(1000 * epoch);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const today = date.toDateString() === new Date().toDateString();
  return today ? time : `${date.toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" })} ${time}`;
}

/** A shape of a product: 2048 × 512 × 1024. @param {number[]} shape */
export function shape(shape) {
  return shape.join(" × ");
}
