// The layout editor: named boxes on a picture. Python has them in `value`, from the back to the
// front, each with its name and two corners in fractions of the picture.

const NEAR = 0.015; // of the side: an edge this near to a line snaps to it, unless Alt is held
const SMALLEST = 0.02; // of the side
const STEP = 0.01; // of the side: an arrow key

function render({ model, el }) {
    const classes = model.get("palette");
    const past = new Past();
    let boxes = model.get("value");
    let [chosen, selected, grip] = [0, -1, null];

    // --- what is seen ----------------------------------------------------------------------------

    const back = make("img", { alt: "", draggable: false });
    const layer = make("div");
    const stage = make("div", { className: "stage layout", tabIndex: 0 }, back, layer);
    stage.role = "application";
    stage.style.aspectRatio = `${model.get("width")} / ${model.get("height")}`;
    const list = make("ol", { className: "boxes" });
    const { line, tell } = statusLine(model);

    function colourOf(name) {
        return `rgb(${classes.find((other) => other.name === name)?.colour ?? [128, 128, 128]})`;
    }

    function show() {
        layer.replaceChildren(...boxes.map(boxOnStage));
        list.replaceChildren(...boxes.map(rowOfList).reverse()); // the foremost first
        const what = boxes[selected] ? `, ${boxes[selected].name} is selected` : "";
        stage.ariaLabel = `layout with ${boxes.length} boxes${what}`;
    }

    function boxOnStage({ name, box: [left, top, right, bottom], proposed, locked }, place) {
        const words = make("span", { textContent: locked ? `${name} \u{1F512}` : name });
        const element = make("div", { className: "box" }, words);
        element.dataset.place = place;
        element.classList.toggle("selected", place === selected);
        element.classList.toggle("proposed", Boolean(proposed));
        element.style.cssText = `left: ${100 * left}%; top: ${100 * top}%; color: ${colourOf(name)};
            width: ${100 * (right - left)}%; height: ${100 * (bottom - top)}%`;
        const corners = place === selected ? ["0 1", "2 1", "0 3", "2 3"] : [];
        for (const corner of corners) {
            const handle = make("i");
            handle.dataset.sides = corner; // which two of left, top, right, bottom it moves
            handle.style[corner[0] === "0" ? "left" : "right"] = "-5px";
            handle.style[corner[2] === "1" ? "top" : "bottom"] = "-5px";
            element.append(handle);
        }
        return element;
    }

    /** Rename, reorder and delete; a click into the row selects. */
    function rowOfList({ name }, place) {
        const names = make("select", { ariaLabel: `class of box ${place + 1}` });
        names.append(...classes.map((other) => new Option(other.name, other.name)));
        names.value = name;
        names.onchange = () => change(place, (all) => (all[place].name = names.value));
        const row = make("li", {}, names,
            button("forward", "in front of the next box (Page Up)", () => swap(place, 1)),
            button("back", "behind the box before (Page Down)", () => swap(place, -1)),
            button("delete", "without this box (Delete)", () => remove(place)));
        row.classList.toggle("selected", place === selected);
        row.onpointerdown = (event) => event.target === row && select(place);
        return row;
    }

    function select(place) {
        selected = place;
        model.set("selected", place);
        model.save_changes();
        show();
    }

    // --- changes, and Python ---------------------------------------------------------------------

    const tell_python = courier(model, () => structuredClone(boxes));
    const small = (box, axis) => box[axis + 2] - box[axis] < SMALLEST;

    /** A box that is just begun has no size yet, and no painter could use it. */
    function send() {
        if (!boxes.some(({ box }) => small(box, 0) || small(box, 1))) tell_python();
    }

    /** Changes the boxes so that it can be undone, and selects the one at `place` then. */
    function change(place, action) {
        tell("");
        past.keep(boxes);
        boxes = structuredClone(boxes);
        action(boxes);
        select(Math.min(place, boxes.length - 1));
        send();
    }

    function replace(other) {
        boxes = other;
        select(Math.min(selected, boxes.length - 1));
        send();
    }

    function add(box) {
        const fits = boxes.length < model.get("most");
        const { name } = classes[chosen];
        if (fits) change(boxes.length, (all) => all.push({ name, box }));
        else tell(`no more than ${boxes.length} boxes`);
        return fits;
    }

    function remove(place) {
        if (boxes[place]) change(place - 1, (all) => all.splice(place, 1));
    }

    function swap(place, by) {
        if (!boxes[place] || !boxes[place + by]) return;
        change(place + by, (all) => {
            [all[place], all[place + by]] = [all[place + by], all[place]];
        });
    }

    model.on("change:value", () => {
        const found = model.get("value");
        if (JSON.stringify(found) === JSON.stringify(boxes)) return;
        past.keep(boxes);
        [boxes, selected] = [found, Math.min(selected, found.length - 1)];
        show();
    });
    model.on("change:backdrop", showBackdrop);
    function showBackdrop() {
        URL.revokeObjectURL(back.src);
        back.src = URL.createObjectURL(new Blob([model.get("backdrop")]));
        back.hidden = !model.get("backdrop").byteLength;
    }

    // --- hands -----------------------------------------------------------------------------------

    /** How far these sides of a box may go and where they snap: along one axis. */
    function snapped(wanted, sides, others, free) {
        const far = Math.max(-Math.min(...sides), Math.min(1 - Math.max(...sides), wanted));
        const lines = free ? [] : [0, 0.5, 1, ...others];
        const gaps = lines.flatMap((at) => sides.map((side) => at - side - far));
        const gap = gaps.sort((a, b) => Math.abs(a) - Math.abs(b))[0] ?? 1;
        return Math.abs(gap) < NEAR ? far + gap : far;
    }

    /** The selected box as it was in `start`, with some of its sides moved. */
    function move(start, sides, [right, down], free) {
        const others = boxes.filter((_, place) => place !== selected).map(({ box }) => box);
        const box = [...boxes[selected].box];
        for (const [axis, wanted] of [[0, right], [1, down]]) {
            const moving = sides.filter((side) => side % 2 === axis);
            if (!moving.length) continue;
            const lines = others.flatMap((other) => [other[axis], other[axis + 2]]);
            const by = snapped(wanted, moving.map((side) => start[side]), lines, free);
            const to = [start[axis], start[axis + 2]];
            for (const side of moving) to[side >> 1] += by;
            to.sort((a, b) => a - b); // a side may be drawn across the other
            if (to[1] - to[0] >= SMALLEST) [box[axis], box[axis + 2]] = to;
        }
        boxes[selected] = { ...boxes[selected], box, proposed: false };
        show();
        send();
    }

    function placeOf({ clientX, clientY }) {
        const area = stage.getBoundingClientRect();
        return [(clientX - area.left) / area.width, (clientY - area.top) / area.height];
    }

    stage.onpointerdown = (event) => {
        if (!event.isPrimary || event.button) return;
        const [x, y] = placeOf(event);
        const touched = event.target.closest(".box");
        if (!touched && !add([x, y, x, y])) return;
        const sides = touched ? (event.target.dataset.sides ?? "0 1 2 3") : "2 3";
        if (touched) select(Number(touched.dataset.place));
        grip = { x, y, sides: sides.split(" ").map(Number), start: boxes[selected].box };
        grip.before = touched ? boxes : null; // to be kept when it moves
        stage.setPointerCapture(event.pointerId);
    };
    stage.onpointermove = (event) => {
        if (!grip || !event.isPrimary) return;
        const [x, y] = placeOf(event);
        if (grip.before) {
            past.keep(grip.before);
            [boxes, grip.before] = [[...boxes], null];
        }
        move(grip.start, grip.sides, [x - grip.x, y - grip.y], event.altKey);
    };
    stage.onpointerup = stage.onpointercancel = () => {
        if (grip && boxes[selected]) grow(boxes[selected].box);
        grip = null;
    };

    /** A box that a click has begun gets a size. */
    function grow(box) {
        for (const axis of [0, 1].filter((axis) => small(box, axis))) {
            const middle = Math.min(0.875, Math.max(0.125, box[axis]));
            [box[axis], box[axis + 2]] = [middle - 0.125, middle + 0.125];
        }
        show();
        send();
    }

    function nudge(right, down) {
        return ({ shiftKey }) => {
            if (!boxes[selected]) return;
            past.keep(boxes);
            boxes = [...boxes];
            const sides = shiftKey ? [2, 3] : [0, 1, 2, 3];
            move(boxes[selected].box, sides, [right * STEP, down * STEP], true);
        };
    }

    // --- controls --------------------------------------------------------------------------------

    const chips = palette(classes, (number) => (chosen = number));
    const undo = () => replace(past.undo(boxes));
    const redo = () => replace(past.redo(boxes));
    const caption = make("input", { type: "search", placeholder: "a sentence with things in it" });
    caption.ariaLabel = "caption";
    const request = () => ask(model, tell, { do: "propose", caption: caption.value });
    caption.onkeydown = ({ key }) => key === "Enter" && request();
    const wish = make("div", { className: "bar", hidden: !model.get("can_propose") }, caption,
        button("propose", "boxes for what the sentence names", request));
    const more = () => add([0.35, 0.35, 0.65, 0.65]);
    const bar = make("div", { className: "bar" },
        button("add", "a box of the chosen class (a); or draw one", more),
        button("undo", "undo (z)", undo), button("redo", "redo (y)", redo),
        button("clear", "without any box", () => change(-1, (all) => all.splice(0))));

    onKeys(stage, {
        arrowleft: nudge(-1, 0), arrowright: nudge(1, 0),
        arrowup: nudge(0, -1), arrowdown: nudge(0, 1),
        pageup: () => swap(selected, 1), pagedown: () => swap(selected, -1),
        delete: () => remove(selected), backspace: () => remove(selected),
        n: () => select((selected + 1) % Math.max(1, boxes.length)),
    });
    onKeys(el, {
        a: more, z: undo, "ctrl+z": undo, y: redo, "ctrl+y": redo, ...chips.digits,
    });
    el.classList.add("course-widget");
    el.append(wish, bar, stage, line, list, chips.element);
    chips.select(0);
    showBackdrop();
    show();
}

export default { render };
