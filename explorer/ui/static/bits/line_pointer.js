/** What pointers and the wheel do on the number line: one sets the number or moves the axis, two pinch, the wheel zooms. */

import { panned, zoomed } from "./axis.js";

/** Pixels that a press may wander and still be a click. */
const STILL = 3;
/** Zoom of a pixel of wheel, as a natural logarithm: a notch of 100 is a factor of 1.35. */
const PER_PIXEL = 0.003;
const LINE_HEIGHT = 16;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {object} line
 * @param {() => boolean} line.ready
 * @param {() => {gutter: number, plot: number, top: number, row: number, height: number, axis: number}} line.layout
 * @param {() => import("./axis.js").View} line.view
 * @param {(view: import("./axis.js").View) => void} line.look show another part of the line
 * @param {(along: number, row: number, exactly: boolean) => void} line.take set the number to a place in a row
 */
export function listen(canvas, line) {
  /** Where each pointer is, by its id. */
  const held = new Map();
  let gesture = null;

  const place = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    const { gutter, plot, top: first, row } = line.layout();
    const along = Math.min(Math.max((event.clientX - left - gutter) / plot, 0), 1);
    return { x: event.clientX, along, row: Math.floor((event.clientY - top - first) / row), y: event.clientY - top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (!line.ready() || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    held.set(event.pointerId, at);
    if (held.size === 2) {
      gesture = { kind: "pinch", ...spread(), view: line.view() };
      return;
    }
    const { height, axis } = line.layout();
    if (at.y > height - axis || event.shiftKey) {
      gesture = { kind: "pan", at, view: line.view() };
      return;
    }
    gesture = { kind: "drag", at, started: false };
    line.take(at.along, at.row, true);
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!gesture || !held.has(event.pointerId)) return;
    const at = place(event);
    held.set(event.pointerId, at);
    if (gesture.kind === "pinch" && held.size === 2) {
      const { distance, along } = spread();
      const near = zoomed(gesture.view, gesture.distance / Math.max(distance, 1), gesture.along);
      line.look(panned(near, gesture.along - along));
    } else if (gesture.kind === "pan") {
      line.look(panned(gesture.view, (gesture.at.x - at.x) / line.layout().plot));
    } else if (gesture.kind === "drag") {
      gesture.started ||= Math.abs(at.x - gesture.at.x) > STILL;
      // The row is that of the press: a hand that drags along does not keep to a line.
      if (gesture.started) line.take(at.along, gesture.at.row, false);
    }
  });

  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      gesture = null;
    });
  }

  canvas.addEventListener("pointermove", (event) => {
    if (gesture || !line.ready()) return;
    const { height, axis } = line.layout();
    canvas.style.cursor = place(event).y > height - axis ? "grab" : "crosshair";
  });

  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!line.ready()) return;
      event.preventDefault();
      const { plot } = line.layout();
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_HEIGHT : 1;
      const across = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
      if (Math.abs(across) > Math.abs(event.deltaY) || event.shiftKey) {
        line.look(panned(line.view(), (across * unit) / plot));
        return;
      }
      // A pinch on a touchpad arrives as a wheel with Ctrl, in small steps.
      const factor = Math.exp(event.deltaY * unit * PER_PIXEL * (event.ctrlKey ? 4 : 1));
      line.look(zoomed(line.view(), Math.min(Math.max(factor, 0.25), 4), place(event).along));
    },
    { passive: false },
  );

  /** Distance between two fingers, and the middle of them. */
  function spread() {
    const [a, b] = [...held.values()];
    return { distance: Math.abs(a.x - b.x), along: (a.along + b.along) / 2 };
  }
}
