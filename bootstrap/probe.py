"""Whether the official sites answer: one look at all of them together, of at most 3 s, remembered for an hour."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.request
from typing import Final

from bootstrap import paths

PULUMI: Final = "pulumi"
IMAGES: Final = "images"
# The official images come from both registries; to somebody without a token they answer 401, and a site may have
# nothing at its root (404) or no HEAD (405): answers all. A 403 is none: a company's filter says that of every site.
_ANSWERS: Final = frozenset({401, 404, 405})
_SITES: Final = {
    PULUMI: ("https://get.pulumi.com/",),
    IMAGES: ("https://registry-1.docker.io/v2/", "https://ghcr.io/v2/"),
}
_DEADLINE_S: Final = 3.0
_REMEMBERED_S: Final = 3600.0
_lock = threading.Lock()


def reachable(site: str) -> bool:
    """Return whether an official site (PULUMI, IMAGES) answers; all of its addresses have to."""
    with _lock:
        return _remembered().get(site, False)


def known() -> dict[str, bool]:
    """Return what is remembered of the sites, without asking them; empty when nothing is."""
    try:
        written = json.loads((paths.HOME / "probe.json").read_text(encoding="utf-8"))
        if 0 <= time.time() - written["at_s"] < _REMEMBERED_S:
            return {site: bool(written["answers"][site]) for site in _SITES}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def look() -> dict[str, bool]:
    """Ask all addresses at the same time; who hasn't answered at the deadline is not reachable."""
    answered: dict[str, bool] = {}
    urls = [url for addresses in _SITES.values() for url in addresses]
    threads = [threading.Thread(target=_ask, args=(url, answered), daemon=True) for url in urls]
    deadline = time.monotonic() + _DEADLINE_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {site: all(answered.get(url, False) for url in addresses) for site, addresses in _SITES.items()}


def _remembered() -> dict[str, bool]:
    found = known()
    if not found:
        found = look()
        paths.HOME.mkdir(exist_ok=True)
        file = paths.HOME / "probe.json"
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"at_s": time.time(), "answers": found}), encoding="utf-8")
        part.replace(file)
    return found


def _ask(url: str, answered: dict[str, bool]) -> None:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_DEADLINE_S):  # noqa: S310 - constant URLs
            answered[url] = True
    except urllib.error.HTTPError as error:
        answered[url] = error.code in _ANSWERS
    except OSError:
        answered[url] = False
