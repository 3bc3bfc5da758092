/** Counts of bytes as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** The largest unit in which a count of bytes is at least 1. @param {number} bytes */
export function unitFor(bytes) {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)));
  return { name: UNITS[power], bytes: 1024 ** power };
}

/** Bytes for people: 23.4 MiB. @param {number} bytes */
export function humanBytes(bytes) {
  const unit = unitFor(bytes);
  const value = bytes / unit.bytes;
  // From 1000 on, three digits would be written with an exponent.
  const digits = unit.bytes === 1 || value >= 999.5 ? String(Math.round(value)) : value.toPrecision(3);
  return `${digits} ${unit.name}`;
}
