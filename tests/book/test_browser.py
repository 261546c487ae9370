"""The built book in a real browser: nothing broken, nothing from outside, accessible, and fit for a phone.

Looks at ``_build/html`` (or the folder named by ``GI_BOOK_HTML``). Without chromium or without a built book
the tests are skipped, unless ``GI_REQUIRE_BROWSER=1`` turns that into a failure.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gi_lib import book
from gi_lib.pages import links, onefile

HTML = Path(os.environ.get("GI_BOOK_HTML") or Path(__file__).parents[2] / "_build" / "html")
REQUIRED = os.environ.get("GI_REQUIRE_BROWSER") == "1"
PAGES = sorted(p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts)
CONTENT = [page for page in PAGES if page not in {"genindex.html", "search.html", "prf-prf.html"}]
MOVING = [page for page in CONTENT if 'class="gi-steps"' in (HTML / page).read_text(encoding="utf-8")]
LARGEST_FIGURE = 600_000  # bytes of a figure that can be moved, with all its pictures
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCROLLING = ".bd-article :is(.pst-scrollable-table-container, .cell_output .text_html)"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


REPOSITORY = re.escape(book.Project().settings["repository"]["url"])


def _chromium() -> str | None:
    return next((found for name in onefile.BROWSERS if (found := shutil.which(name))), None)


def _missing() -> str | None:
    """Why the book cannot be looked at, or nothing."""
    if not (HTML / "index.html").exists():
        return f"There is no built book in {HTML}; run `make book` first."
    if _chromium() is None:
        return "There is no chromium on the PATH; install it with your system's package manager."
    return None


def test_the_book_can_be_looked_at() -> None:
    """Says once why the other tests of this module were skipped."""
    if reason := _missing():
        pytest.fail(reason) if REQUIRED else pytest.skip(reason)
    assert CONTENT


needs_browser = pytest.mark.skipif(_missing() is not None, reason=_missing() or "")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Address of a local server of the book."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """One chromium for the whole module; it is never downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(site: str, browser):
    """Open a page; returns the browser page and the list that collects everything that goes wrong on it."""
    contexts = []

    def open_page(path: str):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
        contexts.append(context)
        page, trouble = context.new_page(), []

        def on_request(request) -> None:
            address = urlsplit(request.url)
            if address.scheme not in ("data", "blob") and not request.url.startswith(site):
                trouble.append(f"external request: {request.url}")

        page.on("request", on_request)
        page.on("requestfailed", lambda request: trouble.append(f"failed request: {request.url}"))
        page.on(
            "response", lambda r: trouble.append(f"HTTP {r.status}: {r.url}") if r.status >= 400 else None
        )
        page.on("console", lambda m: trouble.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(f"script error: {error}"))
        page.goto(f"{site}/{path}", wait_until="networkidle")
        if page.evaluate("Boolean(window.MathJax && MathJax.startup && MathJax.startup.promise)"):
            page.evaluate("MathJax.startup.promise.then(() => true)")
        return page, trouble

    yield open_page
    for context in contexts:
        context.close()


def violations(page, rules: list[str], where: str | None = None) -> list[str]:
    """What axe-core finds on a page, or on the parts of it that a selector names, one line each.

    A page has thousands of words of code, in a dozen colours on two backgrounds: of those of one kind, one is looked
    at, and the others lose their colour. Axe does not judge contrast on a gradient, so those of the tables are away
    while it looks.
    """
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(
        """() => {
            const seen = new Set();
            for (const word of document.querySelectorAll('pre span')) {
                const background = word.closest('.cell_input, .cell_output, .highlight');
                const kind = word.className + ' in ' + (background ? background.className : '');
                if (seen.has(kind)) word.replaceWith(...word.childNodes);
                seen.add(kind);
            }
        }"""
    )
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    plain = page.add_style_tag(content=f"{SCROLLING} {{ background-image: none !important; }}")
    found = Axe().run(page, context=where, options=options).response["violations"]
    plain.evaluate("style => style.remove()")
    return [
        f"{v['id']} ({v['impact']}): {v['help']}: " + " | ".join(n["html"][:200] for n in v["nodes"][:4])
        for v in found
    ]


@needs_browser
@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole_and_accessible(visit, path: str) -> None:
    """Loaded once, looked at in light, in dark and on a phone."""
    page, trouble = visit(path)
    assert not trouble, "\n".join(trouble)
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    images = page.evaluate(
        "[...document.images].map(i => [i.getAttribute('src'), i.getAttribute('alt'), i.naturalWidth])"
    )
    for source, alt, natural_width in images:
        assert natural_width > 0, f"{source} did not load"
        assert alt is not None, f"{source} has no alternative text"
        if "logo" not in source:  # the logo stands beside the name it would repeat
            assert len(alt.split()) >= 2 and not re.search(r"[/\\]|\.(png|svg|jpe?g)$", alt), (
                f"{source}: {alt!r}"
            )
    report = violations(page, RULES)
    assert not report, "\n".join(report)

    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.wait_for_timeout(300)  # colours fade from one to the other
    report = violations(page, ["color-contrast"])  # colours are all that differs
    assert not report, "in dark: " + "\n".join(report)

    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(100)
    wide = page.evaluate(
        """() => {
            const limit = document.documentElement.clientWidth;
            const scrolls = e => e && (['auto', 'scroll', 'hidden'].includes(getComputedStyle(e).overflowX)
                || scrolls(e.parentElement));
            return [...document.querySelectorAll('main *')]
                .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > limit + 1)
                .filter(e => !scrolls(e.parentElement) && !scrolls(e) && !e.closest('mjx-assistive-mml'))
                .map(e => e.outerHTML.slice(0, 120));
        }"""
    )
    assert not wide, "\n".join(wide[:5])
    bare = page.locator(SCROLLING).evaluate_all(
        """boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1)
            .filter(box => !getComputedStyle(box).backgroundAttachment.includes('local'))
            .map(box => box.innerText.slice(0, 120))"""
    )
    assert not bare, "no shadow says that there is more beside: " + "\n".join(bare[:5])
    scroll, client = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scroll <= client, f"the page is {scroll} px wide on a screen of {client} px"


# --- figures that can be moved -------------------------------------------------------------------------

SEEN = """box => {
    const picture = box.querySelector('img'), controls = [...box.querySelectorAll('input, select')];
    return {
        source: picture.src, alt: picture.alt, height: picture.getBoundingClientRect().height,
        says: box.querySelector('output').textContent,
        settings: controls.map(c => c.getAttribute('aria-valuetext') || c.selectedOptions[0].textContent),
        small: controls.filter(c => Math.min(c.clientWidth, c.offsetHeight) < 24).length,
        outside: [...box.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length,
    };
}"""


def after(page, box, act) -> dict:
    """What is seen of a figure when something done to it has changed its picture."""
    before = box.evaluate(SEEN)
    act()
    page.wait_for_function(
        "([image, source]) => image.src !== source && image.complete && image.naturalWidth > 0",
        arg=[box.locator("img").element_handle(), before["source"]],
        timeout=10_000,
    )
    seen = box.evaluate(SEEN)
    assert seen["says"] != before["says"] and seen["settings"] != before["settings"]
    assert seen["alt"].endswith(seen["says"]) and seen["alt"] != seen["says"]
    assert seen["height"] == before["height"], "what stands below the figure must not jump"
    assert not seen["small"] and not seen["outside"]
    return seen


def move(page, box) -> None:
    """Each control of a figure by the keyboard, there and back, and by the pointer to one of its ends."""
    for control in box.locator("input, select").all():
        control.scroll_into_view_if_needed()
        first = box.evaluate(SEEN)
        place, is_slider = control.evaluate("c => [c.selectedIndex ?? +c.value, c.type === 'range']")
        keys = ("ArrowRight", "ArrowLeft") if is_slider else ("ArrowDown", "ArrowUp")
        is_last = control.evaluate("c => (c.selectedIndex ?? +c.value) === (c.length ?? +c.max + 1) - 1")
        there, back = reversed(keys) if is_last else keys
        page.keyboard.press("Tab")  # a ring is drawn for those who came by the keyboard
        control.focus()
        assert control.evaluate("c => getComputedStyle(c).outlineStyle") == "solid"
        after(page, box, functools.partial(page.keyboard.press, there))
        again = after(page, box, functools.partial(page.keyboard.press, back))
        assert again | {"source": ""} == first | {"source": ""}
        if is_slider:
            area = control.bounding_box()
            spot = {"x": area["width"] * (0.98 if place == 0 else 0.02), "y": area["height"] / 2}
            seen = after(page, box, functools.partial(control.click, position=spot))
            shown = box.locator(".gi-steps-value").all_text_contents()
            assert shown == [words for words in seen["settings"] if words in shown]
        else:  # its list is drawn by the system, outside the page
            after(page, box, functools.partial(control.select_option, index=1 if place == 0 else 0))


@needs_browser
@pytest.mark.parametrize("path", MOVING)
def test_a_figure_can_be_moved(visit, path: str) -> None:
    """By the keyboard and by the pointer, on a wide screen and on a phone, and it stays accessible."""
    page, trouble = visit(path)

    def turn(theme: str) -> None:
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
        page.wait_for_timeout(300)  # colours fade from one to the other

    for theme, width in (("light", 1280), ("dark", 390)):
        turn(theme)
        page.set_viewport_size({"width": width, "height": 844})
        for box in page.locator(".gi-steps").all():
            move(page, box)
        scroll, client = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert scroll <= client, f"the page is {scroll} px wide on a screen of {client} px"
    assert not trouble, "\n".join(trouble)
    report = violations(page, RULES, ".gi-steps")
    turn("light")
    report += violations(page, ["color-contrast"], ".gi-steps")
    assert not report, "\n".join(report)


@needs_browser
@pytest.mark.parametrize("path", MOVING)
def test_without_a_script_the_first_picture_stands_alone(site: str, browser, path: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"{site}/{path}", wait_until="load")
        for box in page.locator(".gi-steps").all():
            assert box.locator("img").is_visible() and box.locator("img").bounding_box()["height"] > 100
            assert box.locator("output").is_visible()
            assert not box.locator(".gi-steps-controls").is_visible()
    finally:
        context.close()


@needs_browser
@pytest.mark.parametrize("path", MOVING)
def test_a_figure_that_moves_is_small_numbered_and_has_a_caption(path: str) -> None:
    html = (HTML / path).read_text(encoding="utf-8")
    for figure in re.findall(r"<figure\b.*?</figure>", html, re.S):
        if 'class="gi-steps"' in figure:
            assert len(figure) < LARGEST_FIGURE
            assert re.search(r'<span class="caption-number">Fig\. \d+', figure)
    outside = re.sub(r"<figure\b.*?</figure>", "", html, flags=re.S)
    assert 'class="gi-steps"' not in outside


@needs_browser
def test_mathematics_is_typeset_without_a_server(visit) -> None:
    formulas = [p for p in CONTENT if 'class="math' in (HTML / p).read_text(encoding="utf-8")]
    if not formulas:
        pytest.skip("No page holds a formula.")
    page, trouble = visit(formulas[0])
    assert page.locator("mjx-container").count() > 0
    assert not trouble, "\n".join(trouble)


@needs_browser
def test_links_inside_the_book_lead_somewhere() -> None:
    assert links.broken(HTML) == []


CHAPTERS = [page for page in CONTENT if page.startswith("notebooks/")]
PROJECT = book.Project()


@pytest.fixture(scope="module")
def terms() -> dict[str, str]:
    """Labels of the terms of the glossary, the longest first: its first use is not that of a term inside it."""
    html = (HTML / "glossary.html").read_text(encoding="utf-8")
    found = re.findall(r'<dt id="(term-[^"]+)">(.*?)(?=<a class="headerlink|</dt>)', html, re.S)
    return {unescape(term): label for label, term in sorted(found, key=lambda pair: -len(pair[1]))}


@needs_browser
@pytest.mark.parametrize("name", CHAPTERS)
def test_the_first_use_of_a_term_in_prose_is_linked(name, terms) -> None:
    """Read from the page, with no more than the names of the terms and their plural in s."""
    from bs4 import BeautifulSoup, SoupStrainer

    html = re.sub(r"<pre>.*?</pre>", "", (HTML / name).read_text(encoding="utf-8"), flags=re.S)
    article = BeautifulSoup(html, "html.parser", parse_only=SoupStrainer("article"))
    no_prose = (
        "h1, h2, h3, h4, table, figure, dl, code, .math, .cell, .admonition-title, .cite-chapter, summary"
    )
    for part in article.select(no_prose):
        part.decompose()
    links_of_page = article.select("a")
    for link in links_of_page:
        label = link.get("href", "").partition("glossary.html#")[2]
        link.replace_with(f" [[{label}]] ")
    text = " ".join(article.get_text().split()).replace("\u2019", "'")
    assert "[[term-" in text
    by_hand = PROJECT.settings["sphinx"]["config"]["glossary_by_hand"]
    for term, label in terms.items():
        if "(" in term or term in by_hand:
            continue
        start = f"[{term[0].upper()}{term[0]}]" if term[:2].islower() else re.escape(term[0])
        form = re.compile(rf"(?<![\w\[-]){start}{re.escape(term[1:])}s?(?![\w\]-])")
        link = text.find(f"[[{label}]]")
        if (use := form.search(text)) and (link < 0 or use.start() < link):
            pytest.fail(f"{term} is not linked: {text[max(0, use.start() - 60) : use.end() + 40]}")
        text = form.sub("", text)


@needs_browser
def test_every_figure_leads_to_its_code_and_stands_in_the_index() -> None:
    index = (HTML / "figures.html").read_text(encoding="utf-8")
    for name in CHAPTERS:
        html = (HTML / name).read_text(encoding="utf-8")
        figures = re.findall(r'<figure [^>]*id="([\w-]+)">(.*?)</figure>', html, re.S)
        for label, figure in figures:
            assert re.search(
                rf'class="figure-code">Code: <a [^>]*href="{REPOSITORY}/blob/main/[^"]+#L\d+-L\d+"', figure
            )
            assert f'href="{name}#{label}"' in index


@needs_browser
def test_the_citation_of_a_chapter_is_copied(visit, browser) -> None:
    page, _ = visit(CHAPTERS[0])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = page.locator("details.cite-chapter")
    assert block.get_attribute("open") is None
    block.locator("summary").click()
    for kind, start in (
        ("bibtex", "@incollection{"),
        ("text", "The Genome Interpretation Companion contributors"),
    ):
        block.locator(f".highlight-{kind} .highlight").hover()
        block.locator(f".highlight-{kind} button.copybtn").click()
        page.wait_for_timeout(200)
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(start) and CHAPTERS[0] in copied


@needs_browser
def test_a_page_prints_in_the_light_without_the_frame_and_with_solutions(visit, tmp_path) -> None:
    from pypdf import PdfReader

    chapter = next(
        p for p in CHAPTERS if 'class="solution dropdown' in (HTML / p).read_text(encoding="utf-8")
    )
    page, _ = visit(chapter)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.evaluate(
        "addEventListener('beforeprint', () => (window.printed = document.documentElement.dataset.theme))"
    )
    page.pdf(path=tmp_path / "page.pdf", print_background=True)
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.emulate_media(media="print")
    for hidden in (
        ".bd-sidebar-primary",
        ".bd-header-article",
        ".copybtn",
        ".toggle-button",
        ".cite-chapter",
    ):
        assert page.locator(hidden).evaluate_all("all => all.every(e => !e.checkVisibility())"), hidden
    text = "".join(sheet.extract_text() for sheet in PdfReader(tmp_path / "page.pdf").pages)
    assert page.locator("h1").last.text_content().rstrip("#") in " ".join(text.split())
    solution = page.locator(".solution p:not(.admonition-title)").first.text_content().split()
    plain = [word for word in solution if word.isalpha()]
    assert sum(word in text for word in plain) > 0.9 * len(plain) > 0


@needs_browser
def test_the_book_is_printed_into_one_file_with_numbers_links_and_an_outline(tmp_path) -> None:
    """Its first page and three of its chapters: all of them take minutes. The browser is another process."""
    from pypdf import PdfReader

    pages = [page.removesuffix(".html") for page in CHAPTERS]
    chosen = ["index", pages[0], pages[len(pages) // 2], pages[-1]]
    whole = tmp_path / "whole.html"
    (tmp_path / HTML.name).symlink_to(HTML)
    whole.write_text(
        onefile.in_one_page(HTML, [("", chosen[:1]), ("Chapters", chosen[1:])], "Title", "Version")
    )
    command = "import sys, pathlib as p, gi_lib.pages.onefile as o; o.print_pdf(*map(p.Path, sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", command, whole, tmp_path / "whole.pdf"], check=True)
    pdf = PdfReader(tmp_path / "whole.pdf")
    assert len(pdf.pages) > 10
    text = " ".join(" ".join(sheet.extract_text() for sheet in pdf.pages).split())
    titles = []
    for page in chosen[1:]:
        article = (HTML / f"{page}.html").read_text(encoding="utf-8").partition("<article")[2]
        heading = re.search(r"<h1>(.*?)<a class=\"headerlink", article, re.S)[1]
        titles.append(" ".join(unescape(re.sub(r"<[^>]*>", "", heading)).split()))
    assert all(re.match(r"\d+\. \w", title) for title in titles)
    assert [title for title in titles if title not in text] == []
    assert "\\frac" not in text and "\\(" not in text  # formulas are typeset
    outlined = [entry.title for entry in pdf.outline if not isinstance(entry, list)]
    assert outlined[-len(titles) :] == titles
    goals = [
        annotation.get_object().get("/Dest") or annotation.get_object().get("/A", {}).get("/D")
        for sheet in pdf.pages
        for annotation in sheet.get("/Annots", [])
    ]
    named = [goal for goal in goals if isinstance(goal, str)]
    assert len(named) > 10
    assert {name.lstrip("/") for name in named} <= {name.lstrip("/") for name in pdf.named_destinations}


@needs_browser
@pytest.mark.parametrize("name", CONTENT)
def test_no_number_is_shown_with_its_type(name) -> None:
    text = re.sub(r"<pre>.*?</pre>", "", (HTML / name).read_text(encoding="utf-8"), flags=re.S)
    assert not re.findall(r"np\.(?:bool|complex|float|int|str|uint)\w*\([^)]*\)", text)


@needs_browser
def test_search_finds_a_word(visit) -> None:
    """A word of a chapter's title leads to that chapter."""
    chapter = next(p for p in CONTENT if p.startswith("notebooks/"))
    title = re.search(
        r"<title>(.*?)(?: &#8212;|</title>)", (HTML / chapter).read_text(encoding="utf-8"), re.S
    )[1]
    word = max(re.findall(r"[A-Za-z]{4,}", title), key=len)
    page, trouble = visit(f"search.html?q={word}")
    page.wait_for_selector("#search-results ul.search li a")
    targets = page.eval_on_selector_all(
        "#search-results li a", "links => links.map(a => a.getAttribute('href'))"
    )
    assert any(chapter in target for target in targets), targets
    assert not trouble, "\n".join(trouble)


@needs_browser
def test_keyboard_opens_the_search_field(visit) -> None:
    page, _ = visit("index.html")
    page.keyboard.press("Control+k")
    page.wait_for_selector("input[type=search]:focus")


@needs_browser
def test_launch_and_edit_buttons_lead_to_the_sources() -> None:
    chapter = next(p for p in CONTENT if p.startswith("notebooks/"))
    html = (HTML / chapter).read_text(encoding="utf-8")
    links = re.findall(r'href="(https://[^"]+)"', html)
    repository = "https://github.com/genome-interpretation/companion"
    assert any(
        re.fullmatch(re.escape(repository) + r"/edit/main/notebooks/[\w-]+\.md", link) for link in links
    )
    for service in ("mybinder.org", "colab.research.google.com"):
        assert any(service in link and re.search(r"notebooks/[\w-]+\.ipynb$", link) for link in links), (
            service
        )
