"""Asks a Prometheus over HTTP (prometheus.io, "HTTP API")."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_ANSWER_S: Final = 30
# The proxy in people's environment is for the outside.
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NoAnswerError(Exception):
    """Prometheus can't be asked; the text says why."""


@dataclass(frozen=True)
class Line:
    """One series: its labels, and its points as pairs of seconds since 1970 and value. What is no number isn't a point."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Span:
    """From when to when, and the time between two points, in seconds."""

    start_s: float
    end_s: float
    step_s: float


@dataclass(frozen=True)
class Prometheus:
    """One Prometheus, by its address."""

    url: str

    def over(self, expression: str, span: Span) -> list[Line]:
        """Return the series of an expression over a span.

        Raises:
            NoAnswerError: nobody answers there, or what answers is no Prometheus.
        """
        fields = {"query": expression, "start": span.start_s, "end": span.end_s, "step": span.step_s}
        lines = [Line(one["metric"], _points(one["values"])) for one in self._ask("query_range", fields)]
        return [line for line in lines if line.points]

    def at(self, expression: str, moment_s: float) -> list[Line]:
        """Return the series of an expression at one moment; raises as `over` does."""
        found = self._ask("query", {"query": expression, "time": moment_s})
        lines = [Line(one["metric"], _points([one["value"]])) for one in found]
        return [line for line in lines if line.points]

    def _ask(self, what: str, fields: Mapping[str, object]) -> list[dict[str, Any]]:
        url = f"{self.url.rstrip('/')}/api/v1/{what}"
        body = urllib.parse.urlencode(fields).encode()
        try:
            with _DIRECT.open(urllib.request.Request(url, data=body), timeout=_ANSWER_S) as reply:  # noqa: S310 - people's own
                found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise NoAnswerError(
                f"{self.url} answers {error.code}: {error.read(500).decode(errors='replace')}"
            ) from None
        except OSError as error:
            raise NoAnswerError(f"{self.url} doesn't answer ({getattr(error, 'reason', error)})") from None
        except (ValueError, LookupError, TypeError):
            raise NoAnswerError(f"{self.url} answers, and not as Prometheus does") from None
        return found


def _points(values: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    points = ((float(moment), float(value)) for moment, value in values)
    return [point for point in points if math.isfinite(point[1])]
