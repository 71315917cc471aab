"""Series that make each alert fire, and series that are nearly the same and must not."""

from __future__ import annotations

from tests.unit.monitoring.cases import cards, engines, gateway, hosts, objectives, programs
from tests.unit.monitoring.cases.case import Case

__all__ = ["CASES", "Case"]

CASES = (*engines.CASES, *objectives.CASES, *gateway.CASES, *hosts.CASES, *cards.CASES, *programs.CASES)
