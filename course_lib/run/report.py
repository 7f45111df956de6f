"""What a run leaves behind: pictures, readable pages, and the table that links them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from course_lib.run.job import Image, Result, in_words

__all__ = ["extract_images", "write_page", "write_report"]


def extract_images(notebook: Path, folder: Path) -> list[Image]:
    """Writes every picture among the outputs of an executed notebook into ``folder``."""
    import nbformat

    images: list[Image] = []
    folder.mkdir(exist_ok=True)
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            # Pillow hands a notebook one picture in both forms; one of them is enough.
            kind = next((kind for kind in ("png", "jpeg") if f"image/{kind}" in data), None)
            if kind is None:
                continue
            number = cell.execution_count or 0
            path = folder / f"{notebook.stem}-{number:03}-{len(images) + 1:02}.{kind}"
            path.write_bytes(base64.b64decode(data[f"image/{kind}"]))
            alt = output.metadata.get(f"image/{kind}", {}).get("alt")
            alt = alt or cell.metadata.get("alt") or f"picture of cell [{number}]"
            images.append(Image(f"{folder.name}/{path.name}", number, alt))
    return images


def write_page(notebook: Path) -> Path:
    """The executed notebook as one HTML page beside it; formulas need the network, all else not."""
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(template_name="classic").from_filename(str(notebook))
    path = notebook.with_suffix(".html")
    path.write_text(page, encoding="utf-8")
    return path


def write_report(results: Sequence[Result], folder: Path, title: str) -> Path:
    """``report.json`` for machines, ``index.html`` for people; returns the latter."""
    rows = [asdict(result) for result in results]
    text = json.dumps({"run": title, "notebooks": rows}, indent=2)
    (folder / "report.json").write_text(text, encoding="utf-8")
    page = _PAGE.format(
        title=escape(title),
        summary=escape(_summary(results, title)),
        rows="\n".join(_row(result, folder) for result in results),
        pictures="\n".join(_gallery(result) for result in results if result.images),
    )
    index = folder / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _summary(results: Sequence[Result], title: str) -> str:
    fine = sum(result.status == "done" for result in results)
    seconds = sum(result.seconds for result in results)
    note = (
        " It shows that all runs and hardly trains: samples stay grey." if "smoke" in title else ""
    )
    return (
        f"{fine} of {len(results)} notebooks ran to their end, in {seconds / 60:.1f} min of work."
        f"{note}"
    )


def _row(result: Result, folder: Path) -> str:
    files = [f"{result.name}.html", f"{result.name}.ipynb"]
    links = [
        f'<a href="{escape(file)}">{kind}</a>'
        for file, kind in zip(files, ("page", "notebook"), strict=True)
        if (folder / file).is_file()
    ]
    went = result.status
    if result.failed_cell is not None:
        went += f" in cell [{result.failed_cell}]"
    note = f"<br><small>{escape(result.message)}</small>" if result.message else ""
    return (
        f'<tr class="{result.status}"><th scope="row">{escape(result.name)}</th>'
        f"<td>{went}{note}</td><td>{result.cells}</td><td>{result.seconds:.1f} s</td>"
        f"<td>{in_words(result.peak_memory)}</td><td>{len(result.images)}</td>"
        f"<td>{' '.join(links)}</td></tr>"
    )


def _gallery(result: Result) -> str:
    figures = "\n".join(
        f'<a href="{escape(image.file)}"><img loading="lazy" src="{escape(image.file)}" '
        f'alt="{escape(image.alt)}" title="cell [{image.cell}]"></a>'
        for image in result.images
    )
    return f"<h2>{escape(result.name)}</h2>\n<div>{figures}</div>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0;
  border-bottom: 1px solid #8884; font-weight: normal; }}
thead th, tr th {{ font-weight: 600; }}
.failed td:nth-child(2) {{ color: #c33; font-weight: 600; }}
small {{ font-weight: normal; white-space: pre-wrap; }}
img {{ height: 8rem; max-width: 100%; object-fit: contain; margin: 0 .5rem .5rem 0;
  background: #fff; border: 1px solid #8884; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<table>
<thead><tr><th scope="col">notebook</th><th scope="col">went</th><th scope="col">cells</th>
<th scope="col">time</th><th scope="col">peak memory</th><th scope="col">pictures</th>
<th scope="col">files</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{pictures}
</body>
</html>
"""
