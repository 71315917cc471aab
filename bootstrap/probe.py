"""Whether the official sites answer: one look at all of them together, of at most 3 s, remembered for an hour."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Final

from bootstrap import paths

PULUMI: Final = "pulumi"
IMAGES: Final = "images"
# A registry answers 401 to somebody without a token: that is an answer.
_SITES: Final = {PULUMI: "https://get.pulumi.com/", IMAGES: "https://registry-1.docker.io/v2/"}
_DEADLINE_S: Final = 3.0
_REMEMBERED_S: Final = 3600.0


def reachable(site: str) -> bool:
    """Return whether one of the official sites (PULUMI, IMAGES) answers."""
    return _remembered().get(site, False)


def _remembered() -> dict[str, bool]:
    file = paths.HOME / "probe.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if 0 <= time.time() - known["at_s"] < _REMEMBERED_S:
            return {site: bool(known["answers"][site]) for site in _SITES}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = look()
    paths.HOME.mkdir(exist_ok=True)
    file.write_text(json.dumps({"at_s": time.time(), "answers": found}), encoding="utf-8")
    return found


def look() -> dict[str, bool]:
    """Ask all sites at the same time; who hasn't answered at the deadline is not reachable."""
    found = dict.fromkeys(_SITES, False)
    threads = [threading.Thread(target=_ask, args=(site, url, found), daemon=True) for site, url in _SITES.items()]
    deadline = time.monotonic() + _DEADLINE_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def _ask(site: str, url: str, found: dict[str, bool]) -> None:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_DEADLINE_S):  # noqa: S310 - constant URLs
            found[site] = True
    except urllib.error.HTTPError:
        found[site] = True
    except OSError:
        found[site] = False
