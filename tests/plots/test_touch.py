"""Figures that a reader can move: what is put into the page, and what remains where it cannot be moved."""

import gzip
import json
import re
from base64 import b64decode
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure

from gi_lib.plots.touch import Choice, Slider, Steps, compact


def draw(slope: int, name: str) -> tuple[Figure, str]:
    fig, ax = plt.subplots(figsize=(2, 1), layout="none")
    ax.plot([0, 1], [0, slope])
    ax.set_title(name)
    return fig, f"{name} rises by {slope}."


def steps(**options) -> Steps:
    controls = {
        "slope": Slider("Slope & more", [1, 2, 3], start=2, show="<{}>".format),
        "name": Choice("Line", ["a", "b"], start="b"),
    }
    return Steps(options.pop("draw", draw), options.pop("kind", "A straight line"), **(options or controls))


@pytest.fixture(scope="module")
def figure() -> Steps:
    return steps()


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the words inside it."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict, list[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data: str) -> None:
        if self.found and data.strip():
            self.found[-1][2].append(data.strip())

    def all(self, tag: str) -> list[tuple[dict, list[str]]]:
        return [(attributes, words) for name, attributes, words in self.found if name == tag]


def packed(html: str) -> dict:
    held = re.search(r'data-pictures="([^"]+)"', html)[1]
    return json.loads(gzip.decompress(b64decode(held)))


def test_there_is_a_picture_for_every_setting_and_the_last_control_varies_fastest(figure):
    assert figure.says == [f"{name} rises by {slope}." for slope in (1, 2, 3) for name in "ab"]
    assert len(set(figure.svg)) == len(figure.svg) == 6
    assert figure.start == 3
    assert (figure.width, figure.height) == tuple(
        round(inches * plt.rcParams["figure.dpi"]) for inches in (2, 1)
    )


def test_packed_pictures_are_the_pictures(figure):
    held = packed(figure.html())
    assert ["".join(held["parts"][part] for part in picture) for picture in held["svg"]] == figure.svg
    assert held["says"] == figure.says


def test_the_first_picture_is_drawn_as_all_others(figure):
    with plt.rc_context({"figure.constrained_layout.use": True}):
        usual = steps(slope=Slider("Slope", [1, 2, 3], start=1), name=Choice("Line", ["a", "b"], start="a"))
    assert usual.svg == figure.svg


def test_what_pictures_share_is_held_once(figure):
    parts = packed(figure.html())["parts"]
    assert len(parts) == len(set(parts)) < sum(svg.count(">") for svg in figure.svg) / 3


def test_every_control_has_its_label_and_starts_where_it_should(figure):
    page = Elements(figure.html())
    assert [words for _, words in page.all("label")] == [["Slope & more"], ["Line"]]
    ((slider, _),) = page.all("input")
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == ("range", "0", "2", "1")
    assert slider["aria-valuetext"] == "<2>"
    assert json.loads(slider["data-shown"]) == ["<1>", "<2>", "<3>"]
    assert [(words, "selected" in now) for now, words in page.all("option")] == [
        (["a"], False),
        (["b"], True),
    ]


def test_the_first_picture_has_alternative_text_and_its_sentence_is_announced(figure):
    page = Elements(figure.html())
    ((picture, _),) = page.all("img")
    assert picture["alt"] == "A straight line. b rises by 2."
    assert b64decode(picture["src"].removeprefix("data:image/svg+xml;base64,")).decode() == figure.svg[3]
    (announced,) = page.all("output")
    assert announced == ({"aria-live": "polite"}, ["b rises by 2."])


def test_controls_are_hidden_until_a_script_runs(figure):
    page = Elements(figure.html())
    (group,) = (one for one, _ in page.all("div") if one.get("role") == "group")
    assert "hidden" in group
    assert len(group["aria-label"].split()) > 1


def test_the_same_data_give_the_same_bytes(figure):
    assert steps().html() == figure.html()
    assert steps()._repr_mimebundle_() == figure._repr_mimebundle_()


def test_two_on_one_page_do_not_clash(figure):
    html = figure.html()
    assert not re.search(r"<[^>]* (id|for|name|aria-\w+by)=", html)
    assert not re.search(r"(?m)^(var|let|const|function|class) ", Elements(html).all("script")[0][1][0])


def test_nothing_is_loaded_from_elsewhere(figure):
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)|url\(|\bimport\b|fetch""", figure.html())


def test_words_are_escaped(figure):
    def doubtful(slope: int) -> tuple[Figure, str]:
        return draw(slope, "x")[0], f'{slope} < 3 & "so" on</output>'

    html = steps(draw=doubtful, kind='A "kind" of <b>', slope=Slider("<i>", [1, 2], start=1)).html()
    page = Elements(html)
    assert page.all("img")[0][0]["alt"] == 'A "kind" of <b>. 1 < 3 & "so" on</output>'
    assert page.all("output")[0][1] == ['1 < 3 & "so" on</output>']
    assert page.all("b") == page.all("i") == []


def test_a_notebook_keeps_html_a_still_picture_and_a_name(figure):
    data, metadata = DisplayFormatter().format(figure)
    assert set(data) == {"text/html", "image/png", "text/plain"}
    assert b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert metadata["image/png"] == {"width": figure.width, "height": figure.height}
    assert repr(figure) == "Steps(6 pictures: slope × name)"


def test_no_figure_stays_open(figure):
    before = plt.get_fignums()
    steps()
    assert plt.get_fignums() == before


def test_a_compact_picture_keeps_small_numbers_and_what_is_referred_to():
    svg = compact('<?xml version="1.0"?>\n<svg>\n <metadata>\n  <a/>\n </metadata>\n <defs>\n  <path id="m2d0953"/>\n'
                  ' </defs>\n <g id="patch_12" x="12.3456" y="-0.00781251"/>\n <!-- 7 -->\n</svg>\n')  # fmt: skip
    assert svg == '<svg><defs><path id="m2d0953"/></defs><g x="12.35" y="-0.0078125"/></svg>'


def other_size(slope: int) -> tuple[Figure, str]:
    return plt.figure(figsize=(slope, 1)), "A figure."


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: Slider("Slope", [], start=1), "The control 'Slope' has no value."),
        (lambda: Choice("Line", ["a", "b"], start="c"), "The control 'Line' starts at 'c'; allowed are 'a', 'b'."),
        (
            lambda: Slider("Slope", [0.11, 0.12], start=0.11, show="{:.1f}".format),
            "The control 'Slope' shows two of its values by the same words.",
        ),
        (lambda: Steps(draw, "A straight line"), "A figure that moves has no control; give it a Slider or a Choice."),
        (lambda: steps(kind="line"), "kind is 'line'; it says in a few words what all pictures show."),
        (
            lambda: steps(draw=lambda slope: "x", slope=Slider("Slope", [1, 2], start=1)),
            "draw returned 'x' for {'slope': 1}; it must return a figure and a sentence.",
        ),
        (
            lambda: steps(draw=other_size, slope=Slider("Slope", [1, 2], start=1)),
            "The picture for {'slope': 2} has ",
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_in_one_sentence(made, sentence):
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        made()
