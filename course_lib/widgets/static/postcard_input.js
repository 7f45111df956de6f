// A button that opens a postcard: a PNG as it was saved, with what it was painted from in it.

function render({ model, el }) {
    const { line, tell } = statusLine(model);
    const take = (file) => ask(model, tell, { do: "open", name: file.name }, wholeFile(file));
    const hint = "a picture that was saved as a postcard, on any computer";
    el.classList.add("course-widget");
    el.append(
        make("div", { className: "bar" }, fileButton("open a postcard", hint, "image/png", take), line),
    );
}

export default { render };
