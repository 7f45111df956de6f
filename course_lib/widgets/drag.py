"""A picture with something on it that a hand can drag, and roll larger or smaller."""

from __future__ import annotations

import anywidget
import traitlets

__all__ = ["DragPad"]

SCRIPT = """
const keep = (value, low, high) => Math.min(high, Math.max(low, value));
const KEYS = {
  ArrowLeft: [-0.05, 0, 1], ArrowRight: [0.05, 0, 1], ArrowUp: [0, -0.05, 1],
  ArrowDown: [0, 0.05, 1], "+": [0, 0, 1.1], "-": [0, 0, 1 / 1.1],
};

function render({ model, el }) {
  const pad = document.createElement("div");
  let from = null;
  pad.tabIndex = 0;
  pad.setAttribute("role", "application");
  pad.setAttribute("aria-label",
    "Drag the foreground to move it, roll the wheel to resize it; or arrow keys, plus and minus");
  pad.title = "drag to move, roll to resize";
  pad.style.cssText = "width: 192px; height: 192px; background-size: 100% 100%; cursor: grab;"
    + "image-rendering: pixelated; touch-action: none; border: 1px solid grey";
  const move = ([from_x, from_y, scale], x, y, factor) => {
    const value = [keep(from_x + x, -2, 2), keep(from_y + y, -2, 2), keep(scale * factor, 0.5, 2)];
    model.set("value", value);
    model.save_changes();
  };
  pad.onpointerdown = (event) => {
    pad.setPointerCapture(event.pointerId);
    from = { value: model.get("value"), x: event.clientX, y: event.clientY };
  };
  pad.onpointerup = () => { from = null; };
  pad.onpointermove = (event) => {  // from where it began, since the kernel may answer late
    if (!from) return;
    const half = pad.clientWidth / 2;
    move(from.value, (event.clientX - from.x) / half, (event.clientY - from.y) / half, 1);
  };
  pad.addEventListener("wheel", (event) => {
    if (document.activeElement !== pad) return;  // else the page would not scroll on
    event.preventDefault();
    move(model.get("value"), 0, 0, event.deltaY < 0 ? 1.1 : 1 / 1.1);
  }, { passive: false });
  pad.onkeydown = (event) => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    event.stopPropagation();
    move(model.get("value"), ...KEYS[event.key]);
  };
  const show = () => { pad.style.backgroundImage = `url(${model.get("picture")})`; };
  model.on("change:picture", show);
  show();
  el.append(pad);
}
export default { render };
"""


class DragPad(anywidget.AnyWidget):
    """How far something was dragged on a picture, and how much it was enlarged.

    Attributes:
        value: right and down in half sides of the picture, -2 to 2, and a factor, 1/2 to 2.
        picture: what is shown, as a ``data:`` URL.
    """

    _esm = SCRIPT
    value = traitlets.Tuple(
        traitlets.Float(), traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0, 1.0)
    ).tag(sync=True)
    picture = traitlets.Unicode("").tag(sync=True)
