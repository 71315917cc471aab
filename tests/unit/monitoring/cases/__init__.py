"""Series that make each alert fire, and series that are nearly the same and must not."""

from __future__ import annotations

from tests.unit.monitoring.cases import clients, engines, hosts, programs

CASES = (*engines.CASES, *clients.CASES, *hosts.CASES, *programs.CASES)
