// What the course's own widgets share: labelled elements, keys, undo, class chips, files.
//
// A widget's module is this file followed by its own: a front end gets the text of one module, and
// there is nothing beside it that the text could import.

const LARGEST_FILE = 8e6; // bytes; Jupyter closes the connection at 10 MB
const STATES_KEPT = 100; // that can be undone

/** An element with properties and children. */
function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
}

function button(label, hint, onclick) {
    return make("button", { type: "button", textContent: label, title: hint, onclick });
}

/** Single keys act while the widget has the focus, but not while text is typed into a field. */
function onKeys(root, actions) {
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own "b" would insert a cell
    root.addEventListener("keydown", (event) => {
        if (event.altKey || event.target.matches("input:not([type=range])")) return;
        const key = (event.ctrlKey || event.metaKey ? "ctrl+" : "") + event.key.toLowerCase();
        if (!(key in actions)) return;
        event.preventDefault();
        event.stopPropagation();
        actions[key](event);
    });
}

/** What was, for undo, and what was undone, for redo. The present state is the caller's. */
class Past {
    #before = [];
    #after = [];

    keep(state) {
        this.#before = [...this.#before, state].slice(-STATES_KEPT);
        this.#after = [];
    }

    undo(present) {
        return Past.#step(this.#before, this.#after, present);
    }

    redo(present) {
        return Past.#step(this.#after, this.#before, present);
    }

    static #step(from, to, present) {
        if (!from.length) return present;
        to.push(present);
        return from.pop();
    }
}

/** The classes as chips with their colours, the first ten with a digit, a search box if many.
 *  `choose(number)` hears of the chosen class; its number is its place in `classes`. */
function palette(classes, choose) {
    const chips = classes.map(({ name, colour }, number) => {
        const chip = button("", name, () => select(number));
        const swatch = make("span", { className: "swatch", style: `background: rgb(${colour})` });
        chip.append(swatch, make("kbd"), name);
        return chip;
    });
    const search = make("input", { type: "search", placeholder: "find a class" });
    search.ariaLabel = search.placeholder;
    search.oninput = () => {
        for (const chip of chips) chip.hidden = !chip.title.includes(search.value.toLowerCase());
        number();
    };
    const shown = () => chips.filter((chip) => !chip.hidden);

    function number() {
        for (const chip of chips) chip.querySelector("kbd").textContent = "";
        shown().slice(0, 10).forEach((chip, place) => {
            chip.querySelector("kbd").textContent = (place + 1) % 10;
        });
    }

    function select(number) {
        chips.forEach((chip, other) => (chip.ariaPressed = String(other === number)));
        choose(number);
    }

    number();
    const box = make("div", { className: "chips", role: "group", ariaLabel: "classes" }, ...chips);
    const element = make("div", {}, ...(classes.length > 20 ? [search, box] : [box]));
    const digits = {};
    for (let place = 0; place < 10; place++) {
        digits[(place + 1) % 10] = () => shown()[place]?.click();
    }
    return { element, select, digits };
}

/** A button that asks for a file and hands it over. */
function fileButton(label, hint, accept, take) {
    const input = make("input", { type: "file", accept, hidden: true });
    input.onchange = async () => {
        for (const file of input.files) await take(file);
        input.value = ""; // so that the same file can be chosen again
    };
    return make("span", {}, button(label, hint, () => input.click()), input);
}

/** The bytes of a file as it is. */
async function wholeFile(file) {
    if (file.size > LARGEST_FILE) throw new Error(`${file.name} has more than 8 MB`);
    return new DataView(await file.arrayBuffer());
}

/** The bytes of a photo as an upright PNG whose longer side has at most `side` pixels. */
async function smallPhoto(file, side) {
    const photo = await createImageBitmap(file).catch(() => {
        throw new Error(`${file.name} is no picture that this browser can read`);
    });
    const share = Math.min(1, side / Math.max(photo.width, photo.height));
    const width = Math.max(1, Math.round(photo.width * share));
    const height = Math.max(1, Math.round(photo.height * share));
    const paper = make("canvas", { width, height });
    paper.getContext("2d").drawImage(photo, 0, 0, width, height);
    const png = await new Promise((done) => paper.toBlob(done, "image/png"));
    return new DataView(await png.arrayBuffer());
}

/** Offers bytes that Python has sent as a file. */
function download(name, bytes) {
    const link = make("a", { download: name, href: URL.createObjectURL(new Blob([bytes])) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The line that says what happens, also to a screen reader; Python's `message` appears there. */
function statusLine(model) {
    const said = make("span");
    const time = make("span", { className: "time" }); // beside: it must not wipe out a message
    const line = make("div", { className: "status", role: "status" }, said, " ", time);
    const tell = (text) => (said.textContent = text);
    model.on("change:message", () => tell(model.get("message")));
    model.on("change:painted", () => {
        requestAnimationFrame(() => {
            const passed = Math.round(performance.now() - model.get("painted"));
            time.textContent = `from hand to pixels: ${passed} ms`;
        });
    });
    tell(model.get("message"));
    return { line, tell };
}

/** Sends what `present()` gives as the model's value, once a frame at most, and with the time of
 *  the oldest change in it. While Python is busy, ipywidgets keeps the newest alone. */
function courier(model, present) {
    let waiting = false;
    return () => {
        if (waiting) return;
        waiting = true;
        const stamp = Math.round(performance.now());
        requestAnimationFrame(() => {
            waiting = false;
            model.set("value", present());
            model.set("stamp", stamp);
            model.save_changes();
        });
    };
}

/** Tells Python what to do, with a file if there is one. */
async function ask(model, tell, what, bytes) {
    try {
        model.send(what, undefined, bytes ? [await bytes] : []);
    } catch (error) {
        tell(error.message);
    }
}
