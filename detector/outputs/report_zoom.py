"""Opening a scan's overlay within report.html and zooming into it: style and script for report_page.py.

The script makes all of its elements itself and writes names as text: what a file is called does nothing.
"""

from __future__ import annotations

ZOOM_STYLE = """
td.picture a { cursor: zoom-in; }
html:has(.zoom[open]) { overflow: hidden; }
.zoom { width: 100%; height: 100%; max-width: none; max-height: none; margin: 0; padding: 0; border: 0;
  overflow: hidden; background: #20262e; color: #fff; }
.zoom[open] { display: flex; flex-direction: column; }
.zoom::backdrop { background: #20262e; }
.zoom .tools { display: flex; flex-wrap: wrap; gap: 6px 8px; align-items: center; padding: 8px 12px;
  background: #11151a; }
.zoom h2 { flex: 1 1 220px; margin: 0; font-size: 16px; overflow-wrap: anywhere; }
.zoom button { min-width: 44px; padding: 7px 12px; border: 1px solid #7b8796; border-radius: 5px; background: #2c343e;
  color: #fff; font: inherit; cursor: pointer; }
.zoom button:hover { background: #3c4754; }
.zoom :focus-visible { outline: 3px solid #6db3f2; outline-offset: -3px; }
.zoom output { min-width: 62px; text-align: right; font-variant-numeric: tabular-nums; }
.zoom .stage { position: relative; flex: 1 1 auto; overflow: hidden; touch-action: none; cursor: grab; }
.zoom .stage.held { cursor: grabbing; }
.zoom .stage img { position: absolute; left: 0; top: 0; max-width: none; transform-origin: 0 0; user-select: none; }
.zoom .stage p { position: absolute; inset: 0; margin: 0; padding: 40px; text-align: center; pointer-events: none; }
"""

ZOOM_SCRIPT = """
function zoomedAt(place, factor, x, y, least, most) {
  const scale = Math.min(Math.max(place.scale * factor, least), most), ratio = scale / place.scale;
  return {scale, x: x - (x - place.x) * ratio, y: y - (y - place.y) * ratio};
}
function heldInside(place, picture, stage) {
  const held = (at, length, room) => length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at));
  return {scale: place.scale, x: held(place.x, picture.width * place.scale, stage.width),
    y: held(place.y, picture.height * place.scale, stage.height)};
}
function fittingScale(picture, stage) {
  return Math.min(stage.width / picture.width, stage.height / picture.height, 1);
}
function zoomParts(name) {
  const make = (kind, parent, text = "") => {
    const made = document.createElement(kind);
    made.textContent = text;
    parent.append(made);
    return made;
  };
  const dialog = make("dialog", document.body), tools = make("div", dialog), stage = make("div", dialog);
  dialog.className = "zoom";
  dialog.setAttribute("aria-label", "Overlay of " + name);
  tools.className = "tools";
  make("bdi", make("h2", tools), name);
  const percent = make("output", tools);
  const button = (sign, label, action) => {
    const made = make("button", tools, sign);
    made.type = "button";
    made.title = label;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
  };
  stage.className = "stage";
  stage.tabIndex = 0;
  stage.setAttribute("role", "group");
  stage.setAttribute("aria-label", "Picture: plus and minus zoom, arrows move, 0 fits, 1 shows each pixel");
  const note = make("p", stage, "Loading"), image = make("img", stage);
  image.alt = "Overlay of " + name;
  image.draggable = false;
  return {dialog, stage, note, image, percent, button};
}
function zoomControl({stage, image, percent}) {
  let place = {scale: 1, x: 0, y: 0}, fitted = true;
  const picture = () => ({width: image.naturalWidth, height: image.naturalHeight});
  const room = () => ({width: stage.clientWidth, height: stage.clientHeight});
  const show = wanted => {
    if (!image.naturalWidth) return;
    place = heldInside(wanted, picture(), room());
    image.style.transform = `translate(${place.x}px, ${place.y}px) scale(${place.scale})`;
    image.style.imageRendering = place.scale > 3 ? "pixelated" : "auto";
    percent.textContent = Math.round(place.scale * 100) + " %";
  };
  const fit = () => { fitted = true; show({scale: fittingScale(picture(), room()), x: 0, y: 0}); };
  const zoom = (factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) => {
    fitted = false;
    show(zoomedAt(place, factor, x, y, fittingScale(picture(), room()), 16));
  };
  return {
    fit, zoom, fitAgain: () => fitted ? fit() : show(place), pixels: () => zoom(1 / place.scale),
    move: (x, y) => show({scale: place.scale, x: place.x + x, y: place.y + y}),
    toggle: (x, y) => fitted ? zoom(Math.max(1 / place.scale, 2), x, y) : fit(),
  };
}
function zoomPointers(stage, {zoom, move, toggle}) {
  const fingers = new Map(), at = event => {
    const corner = stage.getBoundingClientRect();
    return {x: event.clientX - corner.left, y: event.clientY - corner.top};
  };
  const grip = () => {
    const [one, other = one] = fingers.values();
    return {x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart: Math.hypot(one.x - other.x, one.y - other.y)};
  };
  stage.addEventListener("wheel", event => {
    event.preventDefault();
    // A pinch on a touch pad arrives as a wheel with ctrlKey and small steps.
    const step = event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 8 : 1), point = at(event);
    zoom(Math.exp(-Math.max(-300, Math.min(300, step)) / 500), point.x, point.y);
  }, {passive: false});
  stage.addEventListener("dblclick", event => toggle(at(event).x, at(event).y));
  stage.addEventListener("pointerdown", event => {
    if (event.button !== 0 || fingers.size === 2) return;
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    stage.classList.add("held");
  });
  stage.addEventListener("pointermove", event => {
    if (!fingers.has(event.pointerId)) return;
    const before = grip();
    fingers.set(event.pointerId, at(event));
    const after = grip();
    move(after.x - before.x, after.y - before.y);
    if (before.apart && after.apart) zoom(after.apart / before.apart, after.x, after.y);
  });
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, event => {
    fingers.delete(event.pointerId);
    stage.classList.toggle("held", fingers.size > 0);
  });
}
function zoomKeys(dialog, {fit, zoom, pixels, move}) {
  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": fit, "1": pixels,
    ArrowLeft: () => move(120, 0), ArrowRight: () => move(-120, 0), ArrowUp: () => move(0, 120),
    ArrowDown: () => move(0, -120),
  };
  dialog.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });
}
function openZoom(link, name) {
  const parts = zoomParts(name), {dialog, stage, note, image, button} = parts, control = zoomControl(parts);
  button("\u2212", "Zoom out (-)", () => control.zoom(1 / 1.5));
  button("+", "Zoom in (+)", () => control.zoom(1.5));
  button("Fit", "Fit to the window (0)", control.fit);
  button("1:1", "A pixel of the overlay for a pixel of the screen (1)", control.pixels);
  button("Close", "Close (Escape)", () => dialog.close());
  zoomPointers(stage, control);
  zoomKeys(dialog, control);
  image.addEventListener("load", () => { note.remove(); control.fit(); });
  image.addEventListener("error", () => {
    image.remove();
    note.textContent = "This overlay cannot be shown: the folder overlays/ must stand beside the report.";
  });
  window.addEventListener("resize", control.fitAgain);
  dialog.addEventListener("close", () => {
    window.removeEventListener("resize", control.fitAgain);
    dialog.remove();
    link.focus();
  });
  image.src = link.href;
  dialog.showModal();
  stage.focus();
}
document.querySelector("tbody").addEventListener("click", event => {
  const link = event.target.closest("td.picture a");
  // With a modifier, as without a script, the browser opens the overlay by itself.
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  openZoom(link, link.closest("tr").cells[2].textContent);
});
"""
