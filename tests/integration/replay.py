"""A Prometheus of the tests' own over recorded pages of programs that can't run here: cards, and what needs a fault.

Each page was printed by the real program (its first line says where); a tiny server on loopback hands it out unchanged.
"""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import monitoring
from images import recipes
from tests.integration.stacks import ask, docker
from tests.ports import free_ports

PAGES: Final = Path(__file__).parents[1] / "unit" / "monitoring" / "exporters"
_SCRAPE_S: Final = 1
# Two scrapes for a rate, and one in hand.
_SCRAPES: Final = 3


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = urllib.parse.urlsplit(self.path).path.strip("/")
        # What the blackbox exporter was asked stands in its parameters.
        page = PAGES / f"{'probes' if name == 'probe' else name}.txt"
        body = page.read_bytes() if page.parent == PAGES and page.exists() else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""


def subjects(address: str) -> monitoring.Subjects:
    """Return a stack of which every program is a recorded page: an engine on a card, cards of both makers, a certificate."""
    labels = {"host": "recorded"}
    jobs = [
        monitoring.Job(page.stem, f"/{page.stem}", (monitoring.Target(page.stem, address, labels),))
        for page in sorted(PAGES.glob("*.txt"))
        if page.stem != "probes"
    ]
    page = monitoring.Target("public-address", "https://chat.example.com", labels)
    jobs.append(monitoring.Job("probes", "/probe", (page,), through=address))
    engine = monitoring.Engine("supervision", "coder", "chat", "recorded", 600.0, weights_bytes=15e9, cards=("0",))
    cards = tuple(monitoring.Card("recorded", "0", vendor, 80e9, 70e9) for vendor in ("nvidia", "amd"))
    return monitoring.Subjects("recorded", tuple(jobs), (), (), "docs/runbooks", engines=(engine,), cards=cards)


@contextmanager
def replayed(folder: Path) -> Iterator[tuple[monitoring.Subjects, str]]:
    """Serve the pages, scrape them, and yield what is watched with the address of its Prometheus."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watched = subjects(f"127.0.0.1:{server.server_port}")
    (folder / "prometheus.yml").write_text(
        monitoring.prometheus_config(watched, alertmanager=None, scrape_interval_s=_SCRAPE_S)
    )
    (folder / "rules").mkdir()
    (folder / "rules" / "hearth.yml").write_text(monitoring.rules(watched))
    for path in (folder, folder / "rules", *folder.rglob("*.yml")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (port,) = free_ports(1)
    command = ("/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/data")
    container = docker(
        "run", "-d", "--network", "host", "-v", f"{folder}:/etc/prometheus:ro", recipes.reference("monitoring"),
        *command, f"--web.listen-address=127.0.0.1:{port}",
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for_scrapes(address, len(watched.jobs))
        yield watched, address
    finally:
        docker("rm", "-f", "-v", container, check=False)
        server.shutdown()


def query(prometheus: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that a Prometheus has for an expression now; those without a number count as none."""
    answer = ask(f"{prometheus}/api/v1/query?query={urllib.parse.quote(expression)}")
    assert answer.status == 200, f"{expression}\n{answer.body}"
    found: list[dict[str, Any]] = json.loads(answer.body)["data"]["result"]
    return [series for series in found if series["value"][1] != "NaN"]


def _wait_for_scrapes(address: str, jobs: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            seen = query(address, f"count_over_time(up[5m]) >= {_SCRAPES} and up == 1")
        except OSError:
            seen = []
        if len(seen) == jobs:
            return
        time.sleep(0.5)
    raise AssertionError(f"{len(seen)} of {jobs} recorded pages were scraped")
