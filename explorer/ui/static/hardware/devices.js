/** What PyTorch sees on this machine. */

import { humanBytes } from "../shared/bytes.js";
import { make } from "../shared/dom.js";

/** @param {HTMLElement} element */
export function create(element) {
  const body = make("div", { class: "hw-devices" });
  element.append(make("header", {}, make("h2", {}, "Devices")), body);
  let shown = "";

  return {
    /** @param {object | null} result */
    update(result) {
      if (!result || JSON.stringify(result.devices) === shown) return;
      shown = JSON.stringify(result.devices);
      body.replaceChildren(...result.devices.map((device) => described(device, device.device === result.device)));
    },
  };
}

function described(device, measured) {
  const rows = [...facts(device)].filter(([, value]) => value !== null && value !== undefined && value !== "");
  return make("div", { class: "hw-device" },
    make("h3", {}, device.name, " ", make("span", { class: "hw-tag" }, measured ? `${device.device}, measured` : device.device)),
    make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))])));
}

/** Names and values, as far as they are known. @param {object} device */
export function* facts(device) {
  yield ["Compute capability", device.compute_capability && [device.compute_capability, device.architecture].filter(Boolean).join(", ")];
  if (device.type === "cpu") {
    yield ["Cores", `${device.cores}, of which PyTorch uses ${device.threads}`];
    if (device.cpu_limit) yield ["CPU limit", `${device.cpu_limit.cores} cores by the control group (${device.cpu_limit.source})`];
    yield ["Instructions", device.instructions.join(", ") || device.kernels];
  } else {
    yield ["Multiprocessors", device.cores];
  }
  const free = device.memory_free === null ? "" : `, ${humanBytes(device.memory_free)} free`;
  yield ["Memory", device.memory_total && `${humanBytes(device.memory_total)}${free}`];
  yield ["Driver", device.driver];
  yield ["Clock", device.clock_max_mhz && `${device.clock_mhz} of ${device.clock_max_mhz} MHz`];
  yield ["Power limit", device.power_limit_w && `${device.power_limit_w} W`];
  if (device.nvml && device.nvml !== "read") yield ["Clocks and power", device.nvml];
  yield ["PyTorch", `${device.torch}, ${device.build}`];
}
