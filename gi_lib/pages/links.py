"""Where the links of the rendered book lead: those inside it always, those out of it when asked."""

import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

TIMEOUT = 20  # seconds for one address
GONE = {404, 410}  # every other refusal may be meant for programs alone


_TAG = re.compile(r'<[A-Za-z](?:"[^"]*"|[^<>"])*>')
_ID = re.compile(r'\s(?:id|name)="([^"]*)"')
_ADDRESS = re.compile(r'\s(?:href|src)="([^"]+)"')
_ARTICLE = re.compile(r"<article.*?</article>", re.DOTALL)


def _pages(html: Path) -> dict[Path, str]:
    """Every page of a folder."""
    return {
        path: path.read_text(encoding="utf-8")
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.relative_to(html).parts
    }


def _addresses(text: str) -> dict[str, None]:
    """What the tags of a page name, each once, in order."""
    tags = "".join(_TAG.findall(text))
    return dict.fromkeys(unescape(address) for address in _ADDRESS.findall(tags))


def broken(html: Path) -> list[str]:
    """Links of a rendered book to files or places of it that are not there.

    Parameters
    ----------
    html : Path
        Folder of the book.

    Returns
    -------
    list of str
        ``page: address`` for each, in order.
    """
    pages, found = _pages(html), []
    files = {path for path in html.rglob("*") if path.is_file()}
    ids = {path: {unescape(name) for name in _ID.findall(text)} for path, text in pages.items()}
    for path, text in pages.items():
        for address in _addresses(text):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = Path(os.path.normpath(path.parent / unquote(parts.path)))
            if parts.path.endswith("/"):
                target /= "index.html"
            place = unquote(parts.fragment)
            if target not in files or (place and target in ids and place not in ids[target]):
                found.append(f"{path.relative_to(html).as_posix()}: {address}")
    return found


def leading_out(html: Path) -> dict[str, list[str]]:
    """Addresses outside the book that its texts name, without their fragments, and the pages that name each."""
    found: dict[str, list[str]] = {}
    for path, text in _pages(html).items():
        inside = _addresses("".join(_ARTICLE.findall(text)))
        for address in dict.fromkeys(urldefrag(a).url for a in inside if a.startswith("http")):
            found.setdefault(address, []).append(path.relative_to(html).as_posix())
    return found


def answers(addresses: Iterable[str], threads: int = 8) -> dict[str, int | None]:
    """What each address answers: its status, or None where nothing could be reached.

    Parameters
    ----------
    addresses : iterable of str
        Addresses to ask.
    threads : int
        Questions at a time.
    """
    session = requests.Session()
    session.headers["User-Agent"] = "Mozilla/5.0 (link check of a book)"
    patience = Retry(
        total=2, connect=1, backoff_factor=1, status_forcelist=[429, 502, 503], raise_on_status=False
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=threads, max_retries=patience))

    def ask(address: str) -> tuple[str, int | None]:
        try:
            answer = session.head(address, timeout=TIMEOUT, allow_redirects=True)
            if answer.status_code >= 400:  # some servers answer to GET alone
                answer = session.get(address, timeout=TIMEOUT, stream=True)
                answer.close()
        except requests.RequestException:
            return address, None
        return address, answer.status_code

    with ThreadPoolExecutor(threads) as pool:
        return dict(pool.map(ask, addresses))


def report(named: Mapping[str, list[str]], said: Mapping[str, int | None]) -> list[str]:
    """Lines on the addresses that did not answer well, those that are gone first.

    Parameters
    ----------
    named : mapping
        As `leading_out` returns it.
    said : mapping
        As `answers` returns it.
    """
    gone = [a for a, status in said.items() if status in GONE]
    unsure = [a for a, status in said.items() if status not in GONE and (status is None or status >= 400)]
    lines = [f"gone ({said[a]}): {a}, on {', '.join(named[a])}" for a in gone]
    return lines + [f"unsure ({said[a] or 'no answer'}): {a}, on {', '.join(named[a])}" for a in unsure]
