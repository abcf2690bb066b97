"""Pages that need nothing else: one style, tables that scroll by themselves, pictures inside."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mcplugin.errors import OutputError

_STYLE = """
:root { --good: #1b7f4d; --bad: #b3261e; --ink: #1d2430; --soft: #5b6573; --line: #d9dee5; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; color: var(--ink); background: #fff;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 48rem; }
.soft { color: var(--soft); font-size: .9rem; }
.verdict { border-left: .4rem solid var(--good); background: #eef8f2; padding: .8rem 1rem;
  border-radius: .3rem; margin: 1rem 0; overflow-wrap: anywhere; }
.verdict.bad { border-color: var(--bad); background: #fdf0ef; }
.verdict strong { font-size: 1.1rem; color: var(--good); }
.verdict.bad strong { color: var(--bad); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1rem; align-items: start; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: .6rem; margin: 1rem 0; }
.numbers div { border: 1px solid var(--line); border-radius: .3rem; padding: .5rem .7rem; }
.numbers b { display: block; font-size: 1.1rem; }
.numbers span { color: var(--soft); font-size: .82rem; line-height: 1.3; display: block; }
figure { margin: 0; max-width: 36rem; }
img { width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums;
  margin: .5rem 0; }
th, td { padding: .25rem .7rem .25rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td:first-child, td.text { white-space: normal; }
td:first-child { min-width: 6.5rem; }
th.text { text-align: left; }
td.text { text-align: left; min-width: 14rem; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom;
  line-height: 1.25; min-width: 4.5rem; }
summary { cursor: pointer; padding: .35rem 0; }
details details { margin-left: 1rem; }
pre { font-size: .85rem; }
code { overflow-wrap: anywhere; font-size: .88rem; }
"""


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page of HTML.

    Parameters
    ----------
    title : str
        Plain text.
    parts : sequence of str
        HTML, from top to bottom; empty ones are left out.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def verdict_box(passed: bool, sentence: str, warnings: Sequence[str], note: str) -> str:
    """The verdict of a validation in one sentence, with notes, and in HTML how it comes about."""
    kind, headline = ("verdict", "Passed") if passed else ("verdict bad", "Failed")
    notes = "".join(f"<p>Note: {escape(warning)}.</p>" for warning in warnings)
    return (
        f'<div class="{kind}"><strong>{headline}</strong>'
        f"<p>{escape(sentence[0].upper() + sentence[1:])}.</p>{notes}"
        f'<p class="soft">{note}</p></div>'
    )


def tiles(*numbers: tuple[str, str]) -> str:
    """Numbers that stand out, each with what it is in plain text."""
    cells = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in numbers)
    return f'<div class="numbers">{cells}</div>'


def figures(pictures: Mapping[str, bytes], names: Sequence[str]) -> str:
    """PNG pictures side by side where there is room, each within the page itself."""
    drawn = []
    for name in names:
        data = base64.b64encode(pictures[name]).decode("ascii")
        alternative = name.removesuffix(".png").replace("_", " ")
        drawn.append(
            f'<figure><img alt="{alternative}" src="data:image/png;base64,{data}"></figure>'
        )
    return f'<div class="figures">{"".join(drawn)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text_last: bool = False) -> str:
    """A table of HTML cells that scrolls sideways by itself on a narrow screen."""
    lines = []
    if head:
        cells = [f"<th>{cell}</th>" for cell in head]
        if text_last:
            cells[-1] = f'<th class="text">{head[-1]}</th>'
        lines.append("<tr>" + "".join(cells) + "</tr>")
    for row in rows:
        cells = [f"<td>{cell}</td>" for cell in row]
        if text_last:
            cells[-1] = f'<td class="text">{row[-1]}</td>'
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>'


def write_report(
    folder: str | os.PathLike[str],
    name: str,
    content: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    page: str,
) -> None:
    """Write a report as ``NAME.json`` and ``NAME.html``, and its pictures, in place of older ones.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    files = {f"{name}.json": text.encode(), **pictures, f"{name}.html": page.encode()}
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, its_content in files.items():
            (folder / file).write_bytes(its_content)
    except OSError as error:
        raise OutputError(f"cannot write the {name} to {folder}: {error}") from error
