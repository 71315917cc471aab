"""The page of the last hours, made of what a small server answers in Prometheus's place."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.report.charts import MOST_LINES, amount, chart
from infra.report.command import main_report
from infra.report.prometheus import Line, NoAnswerError, Prometheus, Span
from infra.report.sections import Figure, alerts, charts, compared
from monitoring import Board, Engine, Panel, Row, Series

SPAN = Span(1_800_000_000.0, 1_800_003_600.0, 60.0)
ENGINE = Engine("coder", "coder", "chat", "box", 600.0, kv_tokens=(900.0, 1000.0, 1100.0), weights_bytes=2.0**30)
FIRING = {"alertname": "EngineDown", "severity": "critical", "instance": "coder"}


def series(labels: dict[str, str], *values: str) -> dict[str, Any]:
    points = [[SPAN.start_s + 60 * number, value] for number, value in enumerate(values)]
    return {"metric": labels, "values": points, "value": points[-1]}


ANSWERS = {
    "last_over_time(hearth_engine_kv_cache_tokens[3600s])": [series({"instance": "coder"}, "1100")],
    "sum(up)": [series({"instance": f"engine-{number:02}"}, "1", "NaN", str(number)) for number in range(20)],
    "blank": [],
}


class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        expression = asked["query"][0]
        found = [series(FIRING, "1")] if 'alertstate="firing"' in expression else ANSWERS.get(expression, [])
        body = json.dumps({"status": "success", "data": {"result": found}}).encode()
        self.send_response(400 if expression == "wrong(" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Prometheus(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()


def test_what_was_planned_stands_beside_what_was_seen(prometheus: Prometheus) -> None:
    figures = {one.name: one for one in compared([ENGINE], prometheus, SPAN)["coder"]}
    assert (figures["KV tokens"].planned, figures["KV tokens"].seen) == (1000.0, 1100.0)
    assert figures["KV tokens"].difference == pytest.approx(0.1)
    assert figures["weights"].seen is None
    assert figures["weights"].difference is None


def test_a_start_within_its_limit_is_no_difference() -> None:
    assert Figure("start", "s", 600.0, 30.0).difference is None


def test_alerts_say_whether_they_are_over(prometheus: Prometheus) -> None:
    assert alerts(prometheus, SPAN) == [{**FIRING, "state": "firing"}]


def test_a_panel_is_a_chart_and_a_blank_one_says_so(prometheus: Prometheus) -> None:
    panels = (
        Panel("Many", "short", (Series("sum(up)", "{{instance}}"),), "about"),
        Panel("Lamps", "short", (Series("sum(up)", "{{instance}}"),), "about", kind="lamp"),
        Panel("Nothing", "s", (Series("blank", ""),), "about"),
    )
    text = charts(Board("b", "Hearth: board", (Row("row", panels),)), prometheus, SPAN)
    assert text.count("<svg") == 1
    assert "engine-19" in text
    assert f"and {20 - MOST_LINES} more" in text
    assert "no data in this time" in text
    assert "<td>engine-01</td><td>up</td>" in text


def test_a_chart_is_the_same_every_time_and_takes_the_pages_colours() -> None:
    line = Line({}, [(SPAN.start_s + 60.0 * number, number * 2.0**28) for number in range(30)])
    made = chart([("a & b", line)], "bytes", SPAN)
    assert made == chart([("a & b", line)], "bytes", SPAN)
    assert made.startswith("<svg")
    assert "a &amp; b" in made
    assert "GiB" in made
    assert "#000000" not in made
    assert "http" not in made.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_a_line_has_a_hole_where_nothing_was_seen() -> None:
    whole = [(SPAN.start_s + 60.0 * number, 1.0) for number in range(30)]
    holed = [point for number, point in enumerate(whole) if not 10 < number < 20]
    paths = [chart([("x", Line({}, points))], "s", SPAN) for points in (whole, holed)]
    assert paths[0] != paths[1]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3 * 2.0**30, "bytes", "3 GiB"),
        (1536.0, "Bps", "1.5 KiB/s"),
        (0.25, "percentunit", "25%"),
        (131072.0, "short", "131,072"),
        (0.012, "reqps", "0.012/s"),
        (61.0, "celsius", "61 °C"),
    ],
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


def test_a_wrong_question_and_a_closed_port_are_told(prometheus: Prometheus) -> None:
    with pytest.raises(NoAnswerError, match="answers 400"):
        prometheus.at("wrong(", 0.0)
    with pytest.raises(NoAnswerError, match="doesn't answer"):
        Prometheus("http://127.0.0.1:9").at("up", 0.0)


def test_nobody_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert main_report(["--stack", "local", "--prometheus", "http://127.0.0.1:9", "--html", str(page)]) == 1
    assert "http://127.0.0.1:9 doesn't answer" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
