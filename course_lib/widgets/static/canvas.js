// The painter's canvas: a map of class ids under a brush. Python has the same ids in `value`, one
// byte a pixel, row by row, and hears of every change while the stroke lasts.

const WIDEST = 384; // screen pixels: small maps are enlarged to about this, by a whole factor

function render({ model, el }) {
    const [height, width] = [model.get("height"), model.get("width")];
    const classes = model.get("palette");
    const past = new Past();
    const cursor = { x: width >> 1, y: height >> 1 };
    let ids = idsOf(model);
    let [tool, size, chosen, stroke] = ["brush", Math.max(1, width >> 4), 0, false];

    // --- what is seen ----------------------------------------------------------------------------

    const paper = make("canvas", { width, height, tabIndex: 0, role: "application" });
    const ring = make("div", { className: "ring" });
    const stage = make("div", { className: "stage" }, paper, ring);
    stage.style.width = `${width * Math.max(1, Math.floor(WIDEST / Math.max(width, height)))}px`;
    const { line, tell } = statusLine(model);
    const here = make("span", { className: "here" }); // the class under the pointer
    const pen = paper.getContext("2d");
    const picture = pen.createImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer); // alpha, blue, green, red
    const inks = new Uint32Array(256).fill(0xff000000); // black is "unlabeled"
    classes.forEach(({ colour: [r, g, b] }, id) => (inks[id] |= (b << 16) | (g << 8) | r));

    function show() {
        ids.forEach((id, place) => (pixels[place] = inks[id]));
        pen.putImageData(picture, 0, 0);
        paper.ariaLabel = `label map, ${width} by ${height}, ${tool} with ${classes[chosen].name}`;
    }

    function showRing() {
        const side = tool === "brush" ? size : 1;
        const first = (at) => at - ((side - 1) >> 1);
        ring.style.cssText = `left: ${(100 * first(cursor.x)) / width}%;
            top: ${(100 * first(cursor.y)) / height}%;
            width: ${(100 * side) / width}%; height: ${(100 * side) / height}%`;
    }

    // --- tools -----------------------------------------------------------------------------------

    /** A disc of the brush's size around a pixel. */
    function dab(x, y) {
        const [middle, radius] = [(size - 1) >> 1, size / 2];
        for (let row = 0; row < size; row++) {
            for (let column = 0; column < size; column++) {
                const [v, u] = [y + row - middle, x + column - middle];
                const far = Math.hypot(row + 0.5 - radius, column + 0.5 - radius) > radius;
                const outside = u < 0 || v < 0 || u >= width || v >= height;
                if (!far && !outside) ids[v * width + u] = chosen;
            }
        }
    }

    function drag(from, to) {
        const steps = Math.max(1, Math.abs(to.x - from.x), Math.abs(to.y - from.y));
        for (let step = 0; step <= steps; step++) {
            const along = (a, b) => Math.round(a + ((b - a) * step) / steps);
            dab(along(from.x, to.x), along(from.y, to.y));
        }
    }

    /** Everything of one class that hangs together becomes the chosen class. */
    function fill(x, y) {
        const old = ids[y * width + x];
        const open = [y * width + x];
        while (open.length) {
            const place = open.pop();
            if (ids[place] !== old) continue;
            ids[place] = chosen;
            if (place % width > 0) open.push(place - 1);
            if (place % width < width - 1) open.push(place + 1);
            if (place >= width) open.push(place - width);
            if (place < width * (height - 1)) open.push(place + width);
        }
    }

    function pick(x, y) {
        const id = ids[y * width + x];
        if (id < classes.length) chips.select(id);
    }

    /** One touch of the chosen tool; a stroke of the brush goes on from there. */
    function touch() {
        const { x, y } = cursor;
        if (tool === "pick") pick(x, y);
        else if (tool === "brush") change(() => dab(x, y));
        else if (ids[y * width + x] !== chosen) change(() => fill(x, y));
    }

    // --- changes, and Python ---------------------------------------------------------------------

    /** Changes the map so that it can be undone. */
    function change(action) {
        past.keep(ids);
        ids = ids.slice();
        action();
        changed();
    }

    const send = courier(model, () => new DataView(ids.slice().buffer));
    function changed() {
        show();
        send();
    }

    function replace(other) {
        ids = other;
        changed();
    }

    model.on("change:value", () => {
        const found = idsOf(model);
        if (found.every((id, place) => id === ids[place])) return;
        past.keep(ids); // Python has put another map here, and that can be undone as well
        ids = found;
        show();
    });
    model.on("msg:custom", ({ name }, buffers) => download(name, buffers[0]));

    // --- hands -----------------------------------------------------------------------------------

    function placeOf(event) {
        const box = paper.getBoundingClientRect();
        return {
            x: Math.floor(((event.clientX - box.left) / box.width) * width),
            y: Math.floor(((event.clientY - box.top) / box.height) * height),
        };
    }

    paper.onpointerdown = (event) => {
        if (!event.isPrimary || event.button) return; // the ball of the thumb, the right button
        paper.setPointerCapture(event.pointerId);
        moveTo(placeOf(event));
        stroke = tool === "brush" && !event.altKey;
        if (event.altKey) pick(cursor.x, cursor.y);
        else touch();
    };
    paper.onpointerup = paper.onpointercancel = () => (stroke = false);
    paper.onpointermove = (event) => {
        const before = { ...cursor };
        moveTo(placeOf(event));
        if (!stroke || !event.isPrimary) return;
        drag(before, cursor);
        changed();
    };

    function moveTo({ x, y }) {
        cursor.x = Math.min(width - 1, Math.max(0, x));
        cursor.y = Math.min(height - 1, Math.max(0, y));
        here.textContent = classes[ids[cursor.y * width + cursor.x]]?.name ?? "unlabeled";
        showRing();
    }

    /** An arrow key: one pixel, or the size of the brush with Shift. */
    function arrow(x, y) {
        return ({ shiftKey }) => {
            const far = shiftKey ? size : 1;
            moveTo({ x: cursor.x + x * far, y: cursor.y + y * far });
        };
    }

    // --- controls --------------------------------------------------------------------------------

    const tools = {
        brush: button("brush", "paint (b)", () => use("brush")),
        fill: button("fill", "fill an area (f)", () => use("fill")),
        pick: button("pick", "take the class under the pointer (i, or Alt and a click)",
            () => use("pick")),
    };

    function use(name) {
        tool = name;
        for (const other in tools) tools[other].ariaPressed = String(other === name);
        showRing();
        show();
    }

    const slider = make("input", { type: "range", min: 1, max: width >> 1, value: size });
    slider.ariaLabel = slider.title = "size of the brush ([ and ])";
    slider.oninput = () => resize(Number(slider.value));

    function resize(wanted) {
        size = Math.min(width >> 1, Math.max(1, wanted));
        slider.value = size;
        showRing();
    }

    const chips = palette(classes, (number) => {
        chosen = number;
        if (tool === "pick") use("brush");
        show();
    });
    const undo = () => replace(past.undo(ids));
    const redo = () => replace(past.redo(ids));

    const request = (what, bytes) => ask(model, tell, what, bytes);
    const scene = make("input", { type: "number", min: 0, max: model.get("scenes") - 1, value: 0 });
    scene.oninput = () => scene.value && request({ do: "scene", number: Number(scene.value) });
    const files = [
        fileButton("load", "a label map from a PNG: ids, a palette or the classes' colours",
            "image/*", (file) => request({ do: "load", name: file.name }, wholeFile(file))),
        fileButton("photo", "a photo, turned into a label map", "image/*", (file) =>
            request({ do: "photo", name: `${file.name}.png` }, smallPhoto(file, 1024))),
        button("save", "the map as a PNG that can be loaded again", () => request({ do: "save" })),
        make("label", {}, "scene ", scene),
    ];
    files[1].hidden = !model.get("can_segment");
    files[3].hidden = !model.get("scenes");
    const bar = (...children) => make("div", { className: "bar" }, ...children);
    el.classList.add("course-widget");
    el.append(
        bar(...Object.values(tools), slider, button("undo", "undo (z)", undo),
            button("redo", "redo (y)", redo),
            button("clear", "the whole map becomes the chosen class",
                () => change(() => ids.fill(chosen)))),
        stage, bar(here, line), bar(...files), chips.element,
    );

    // On the canvas itself, so that sliders keep their arrows and buttons their space bar.
    onKeys(paper, {
        arrowleft: arrow(-1, 0), arrowright: arrow(1, 0),
        arrowup: arrow(0, -1), arrowdown: arrow(0, 1),
        " ": touch,
    });
    onKeys(el, {
        b: () => use("brush"), f: () => use("fill"), i: () => use("pick"),
        z: undo, "ctrl+z": undo, y: redo, "ctrl+y": redo,
        "[": () => resize(size - 1), "]": () => resize(size + 1),
        ...chips.digits,
    });
    chips.select(0);
    use("brush");
}

/** The model's map as one id a pixel. */
function idsOf(model) {
    const { buffer, byteOffset, byteLength } = model.get("value");
    return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

export default { render };
