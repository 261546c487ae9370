"""Figures that a reader can move: one picture for every setting of a few controls, all of them inside the page.

Nothing is computed when a control is moved, so a figure needs no kernel, no server and no other file::

    Steps(draw, "A curve over the replicates", replicates=Slider("Replicates", [1, 2, 4], start=2))

calls ``draw(replicates=1)``, ``draw(replicates=2)`` and ``draw(replicates=4)``, each of which returns a figure and a
sentence on what it shows. Where no script runs (on paper, in a viewer that trusts nobody) the first picture stands
alone, and the controls stay hidden.
"""

import gzip
import io
import itertools
import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

PRINT_DPI = 220
"""Of the picture that stands for the figure where HTML cannot be shown."""

# Nothing here has or needs an id, so a page may hold any number of figures, also the same one twice.
_STYLE = """\
.gi-steps [hidden] { display: none !important; }
.gi-steps-controls { display: flex; flex-wrap: wrap; gap: 0.2rem 2rem; padding: 4px; }
.gi-steps-control { display: flex; flex: 1 1 15rem; align-items: center; gap: 0.6rem; max-width: 28rem; }
.gi-steps-control label { display: flex; flex: 1; align-items: center; gap: 0.6rem; margin: 0;
                          text-align: start; }
.gi-steps-control :is(input, select) { flex: 1; min-width: 5rem; height: 2rem; margin: 0; font: inherit; }
.gi-steps-control input { cursor: pointer; accent-color: var(--pst-color-primary, #1b5e3b); }
.gi-steps-control select { color: var(--pst-color-text-base, CanvasText);
  background: var(--pst-color-background, Canvas); border: 1px solid currentcolor; border-radius: 0.25rem; }
.gi-steps-control :focus-visible { outline: 2px solid var(--pst-color-primary, currentcolor); outline-offset: 2px; }
.gi-steps-value { min-width: 3.2em; font-variant-numeric: tabular-nums; }
.gi-steps img { max-width: 100%; height: auto; }
.gi-steps output { display: block; min-height: 3em; text-align: start; }
@media (width < 36rem) { .gi-steps output { min-height: 5em; } }
@media print { .gi-steps-controls { display: none !important; } }
"""
_SCRIPT = """\
for (const box of document.querySelectorAll(".gi-steps:not([data-moves])")) {
  box.dataset.moves = "";
  if (!window.DecompressionStream) continue;
  const controls = [...box.querySelectorAll("input, select")], picture = box.querySelector("img");
  const place = () => controls.reduce((before, control) => control.tagName === "SELECT"
    ? before * control.length + control.selectedIndex : before * (+control.max + 1) + +control.value, 0);
  let pictures;
  const unpack = () => {
    const packed = Uint8Array.from(atob(box.dataset.pictures), letter => letter.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  };
  box.addEventListener("input", async ({ target }) => {
    if (target.type === "range") {
      const shown = JSON.parse(target.dataset.shown)[target.value];
      target.setAttribute("aria-valuetext", shown);
      target.closest("div").lastElementChild.textContent = shown;
    }
    const { parts, svg, says } = await (pictures ??= unpack()), now = place();
    picture.src = "data:image/svg+xml," + encodeURIComponent(svg[now].map(part => parts[part]).join(""));
    picture.alt = picture.dataset.kind + says[now];
    box.querySelector("output").textContent = says[now];
  });
  box.querySelector(".gi-steps-controls").hidden = false;
}
"""


@dataclass(frozen=True)
class Control:
    """What a reader can set: a `Slider` or a `Choice`.

    Attributes
    ----------
    label
        Stands beside the control.
    values
        In their order; each is given to ``draw``.
    start
        Which of them the figure shows at first, and where it cannot be moved.
    show
        Value to the words for it; no two values may have the same.

    Raises
    ------
    ValueError
        If there is no value, `start` is none of them, or two are shown alike.
    """

    label: str
    values: Sequence[Any]
    start: Any
    show: Callable[[Any], str] = str

    def __post_init__(self) -> None:
        if not len(self.values):
            raise ValueError(f"The control {self.label!r} has no value.")
        if self.start not in self.values:
            allowed = ", ".join(map(repr, self.values))
            raise ValueError(f"The control {self.label!r} starts at {self.start!r}; allowed are {allowed}.")
        if len(set(self.shown)) < len(self.values):
            raise ValueError(f"The control {self.label!r} shows two of its values by the same words.")

    @property
    def shown(self) -> list[str]:
        """The words for each value."""
        return [self.show(value) for value in self.values]

    @property
    def place(self) -> int:
        """Where the start is among the values."""
        return list(self.values).index(self.start)


class Slider(Control):
    """A control for values that have an order."""

    def html(self) -> str:
        """An ``<input type="range">`` over the places of the values, and the words for the one that is set."""
        now, last = escape(self.shown[self.place]), len(self.values) - 1
        return (
            f'<label>{escape(self.label)} <input type="range" min="0" max="{last}" step="1" value="{self.place}" '
            f'autocomplete="off" aria-valuetext="{now}" data-shown="{escape(json.dumps(self.shown))}"></label>'
            f'<span class="gi-steps-value" aria-hidden="true">{now}</span>'
        )


class Choice(Control):
    """A control for values without an order."""

    def html(self) -> str:
        """A ``<select>``."""
        options = "".join(
            f"<option{' selected' if number == self.place else ''}>{escape(words)}</option>"
            for number, words in enumerate(self.shown)
        )
        return f'<label>{escape(self.label)} <select autocomplete="off">{options}</select></label>'


class Steps:
    """A figure with controls, shown by Jupyter and in the book where it is the last expression of a cell.

    The same data give the same bytes.

    Parameters
    ----------
    draw
        ``draw(**values)`` with a value for each control returns a figure and a sentence that says in numbers what it
        shows. All figures have one size. Axes that stay in place (``layout="none"``) let the eye see what moves.
    kind
        What all pictures have in common, in words. The alternative text of each is this and its sentence.
    **controls
        A `Slider` or a `Choice` for each argument of `draw`.

    Attributes
    ----------
    svg, says : list of str
        Picture and sentence of every setting; the last control varies fastest.
    start : int
        Place of the setting that is seen at first.
    width, height : int
        Of a picture, in pixels of the page.

    Raises
    ------
    ValueError
        If there is no control, `kind` has fewer than two words, `draw` returns something else than a figure and a
        sentence, or two figures differ in size.
    """

    # Letters are drawn as paths: a picture looks the same whatever fonts a reader has. And without the last setting
    # Matplotlib would give a figure that has no layout the default one, from the second time on that it is saved.
    _look: ClassVar = {
        "svg.fonttype": "path",
        "svg.hashsalt": "gi_lib",
        "figure.constrained_layout.use": False,
    }

    def __init__(self, draw: Callable[..., tuple[Figure, str]], kind: str, **controls: Slider | Choice):
        if not controls:
            raise ValueError("A figure that moves has no control; give it a Slider or a Choice.")
        if len(kind.split()) < 2:
            raise ValueError(f"kind is {kind!r}; it says in a few words what all pictures show.")
        self.kind, self.controls = kind.rstrip("."), controls
        self.svg, self.says = [], []
        first = {name: control.start for name, control in controls.items()}
        for values in itertools.product(*(control.values for control in controls.values())):
            setting = dict(zip(controls, values, strict=True))
            figure, sentence = _checked(draw(**setting), setting)
            size = tuple(round(inches * figure.dpi) for inches in figure.get_size_inches())
            if not self.svg:
                self.width, self.height = size
            elif size != (self.width, self.height):
                raise ValueError(
                    f"The picture for {setting} has {size[0]} × {size[1]} pixels, the first one "
                    f"{self.width} × {self.height}; all must have one size."
                )
            with plt.rc_context(self._look):
                if setting == first:
                    self.start, self._png = len(self.svg), _saved(figure, "png", dpi=PRINT_DPI)
                self.svg.append(compact(_saved(figure, "svg", metadata={"Date": None}).decode()))
            self.says.append(sentence)
            plt.close(figure)

    def html(self) -> str:
        """The whole figure, to be put into any page."""
        controls = "\n".join(
            f'<div class="gi-steps-control">{control.html()}</div>' for control in self.controls.values()
        )
        says, kind = escape(self.says[self.start]), escape(self.kind)
        picture = b64encode(self.svg[self.start].encode()).decode()
        return (
            f'<div class="gi-steps" data-pictures="{self._packed()}">\n<style>\n{_STYLE}</style>\n'
            f'<div class="gi-steps-controls" role="group" aria-label="Move the figure" hidden>\n{controls}\n</div>\n'
            f'<img alt="{kind}. {says}" data-kind="{kind}. " width="{self.width}" height="{self.height}" '
            f'src="data:image/svg+xml;base64,{picture}">\n'
            f'<output aria-live="polite">{says}</output>\n<script>\n{_SCRIPT}</script>\n</div>'
        )

    def _packed(self) -> str:
        """All pictures and sentences: what pictures share (axes, letters, most lines) is held once."""
        split = [re.findall(r"[^>]*>", svg) for svg in self.svg]
        places = {part: place for place, part in enumerate(dict.fromkeys(itertools.chain(*split)))}
        pictures = [[places[part] for part in parts] for parts in split]
        held = json.dumps({"parts": list(places), "svg": pictures, "says": self.says}, separators=(",", ":"))
        return b64encode(gzip.compress(held.encode(), mtime=0)).decode()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
        """HTML, and the first picture for whatever cannot show it."""
        size = {"width": self.width, "height": self.height}
        return (
            {"text/html": self.html(), "image/png": b64encode(self._png).decode()},
            {"image/png": size},
        )

    def __repr__(self) -> str:
        return f"Steps({len(self.svg)} pictures: {' × '.join(self.controls)})"


def compact(svg: str) -> str:
    """What Matplotlib writes as SVG, without header, comments and names, and with numbers as exact as eyes are.

    Examples
    --------
    >>> compact('<?xml?>\\n<svg>\\n <!-- 7 -->\\n <path id="line2d_1" d="M 41.895849 0.015625\\nL 3 4"/>\\n</svg>')
    '<svg><path d="M 41.9 0.015625 L 3 4"/></svg>'
    """
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' id="\w+_\d+"', "", svg)
    svg = re.sub(r"-?\d+\.\d{2,}", lambda number: _rounded(float(number[0])), svg)
    return re.sub(r"> <|>\s*<", "><", re.sub(r"\s+", " ", svg)).strip()


def _rounded(number: float) -> str:
    """With two decimals, or five digits where it is below one, as the scale of letters is."""
    return f"{number:.5g}" if abs(number) < 1 else f"{number:.2f}".rstrip("0").rstrip(".")


def _checked(drawn: Any, setting: dict[str, Any]) -> tuple[Figure, str]:
    if isinstance(drawn, tuple) and [*map(type, drawn)] == [Figure, str] and drawn[1]:
        return drawn
    raise ValueError(f"draw returned {drawn!r} for {setting}; it must return a figure and a sentence.")


def _saved(figure: Figure, form: str, **options: Any) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format=form, **options)
    return held.getvalue()
