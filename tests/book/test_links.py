"""Links of the rendered book: those that lead nowhere are found, those that lead out are followed."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gi_lib import book
from gi_lib.pages import links


@pytest.fixture
def html(tmp_path: Path) -> Path:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "a b.css").write_text("")
    (tmp_path / "index.html").write_text(
        '<link href="a%20b.css"><p id="here"><a href="https://example.org/frame">x</a>'
        '<article><a class="x" href="notebooks/one.html#top">x</a><a href="#here">x</a><a href="#">x</a>'
        '<a href="https://example.org/#one">x</a><a href="https://example.org/?a=1&amp;b=2">x</a>'
        '<pre>&lt;a href="nowhere.html"&gt;</pre></article>'
    )
    (tmp_path / "notebooks" / "one.html").write_text(
        '<h1 id="top"><img src="../a b.css"><article><a href="https://example.org/#two">x</a></article>'
    )
    return tmp_path


def test_a_sound_book_has_no_broken_link(html: Path) -> None:
    assert links.broken(html) == []


@pytest.mark.parametrize(
    "address",
    ["gone.html", "../index.html#gone", "#gone", "../../index.html", "gone.png", "../", "one.html#here"],
)
def test_a_broken_link_is_found(html: Path, address: str) -> None:
    page = html / "notebooks" / "one.html"
    page.write_text(f'{page.read_text()}<img alt="a > b" src="{address}">')
    found = [] if address == "../" else [f"notebooks/one.html: {address}"]  # a folder has its index
    assert links.broken(html) == found


@pytest.mark.slow
def test_a_book_with_a_broken_link_is_not_rendered(toy: book.Project) -> None:
    """Said of the staged pages: the renderer itself does not look at links that are written in HTML."""
    staged = toy.staged
    staged.mkdir(parents=True)
    for name in ("_static", "_toc.yml", "references.bib"):
        (staged / name).symlink_to(toy.root / "book" / name)
    (staged / "_toc.yml").unlink()
    (staged / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (staged / "sources.json").write_text("{}")
    (staged / "index.md").write_text('# Top\n\n<a href="gone.html">x</a>\n')
    with pytest.raises(
        book.BookError, match=r"1 links lead to what is not .*, the first on index\.html: gone\.html"
    ):
        book.render(toy)
    assert not toy.html.exists()


def test_addresses_outside_are_those_of_the_text(html: Path) -> None:
    assert links.leading_out(html) == {
        "https://example.org/": ["index.html", "notebooks/one.html"],
        "https://example.org/?a=1&b=2": ["index.html"],
    }


class Server(BaseHTTPRequestHandler):
    """Answers with the status that the address names; to HEAD alone, 405 where it ends in ``get``."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.send_response(405 if self.path.endswith("get") else int(self.path[1:4]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


def test_what_is_gone_is_told_from_what_is_unsure(server: str) -> None:
    nobody = "http://127.0.0.1:9/"
    asked = [f"{server}/{end}" for end in ("200", "200get", "404", "403")] + [nobody]
    said = links.answers(asked)
    assert list(said.values()) == [200, 200, 404, 403, None]
    named = {address: ["index.html"] for address in asked}
    assert links.report(named, said) == [
        f"gone (404): {server}/404, on index.html",
        f"unsure (403): {server}/403, on index.html",
        f"unsure (no answer): {nobody}, on index.html",
    ]


def test_following_says_in_a_sentence_what_came_out(toy: book.Project, server: str, capsys) -> None:
    with pytest.raises(book.BookError, match=r"There is no rendered book in .*; build it first: make book"):
        book.follow_links(toy)
    toy.html.mkdir(parents=True)

    def follow(*addresses: str) -> str:
        text = "".join(f'<a href="{address}">x</a>' for address in addresses)
        (toy.html / "index.html").write_text(f"<article>{text}</article>")
        book.follow_links(toy)
        return capsys.readouterr().out

    assert follow(f"{server}/200") == "1 of 1 addresses outside the book answer; none is gone.\n"
    with pytest.raises(
        book.BookError, match="1 of the 2 addresses outside the book are gone; they are listed"
    ):
        follow(f"{server}/200", f"{server}/404")
    assert "gone (404)" in capsys.readouterr().out
    with pytest.raises(
        book.BookError, match=r"None of the 1 addresses .* could be reached; is there a network\?"
    ):
        follow("http://127.0.0.1:9/")
