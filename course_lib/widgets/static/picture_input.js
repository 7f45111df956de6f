// A picture of the reader's own, made small before it travels; Python has it in `value` as a PNG.

const SIDE = 256; // pixels of the longer side

function render({ model, el }) {
    const { line, tell } = statusLine(model);
    const picture = make("img", { alt: "the chosen picture" });
    const remove = button("remove", "go on without this picture", () => put(new ArrayBuffer(0)));
    const take = async (file) => {
        try {
            put((await smallPhoto(file, SIDE)).buffer);
            tell("");
        } catch (error) {
            tell(error.message);
        }
    };

    function put(bytes) {
        model.set("value", new DataView(bytes));
        model.save_changes();
    }

    function show() {
        URL.revokeObjectURL(picture.src);
        picture.src = URL.createObjectURL(new Blob([model.get("value")]));
        picture.hidden = remove.hidden = !model.get("value").byteLength;
    }

    model.on("change:value", show);
    show();
    el.classList.add("course-widget");
    const choose = fileButton(model.get("label"), "a picture from this computer", "image/*", take);
    el.append(make("div", { className: "bar" }, choose, picture, remove, line));
}

export default { render };
