"""What hosts are made of, asked over their own connection, and written as an inventory."""

from __future__ import annotations

from infra.facts.command import main_facts
from infra.facts.host import HostFacts, Ran, Run, collect
from infra.facts.writer import FACT_KEYS, to_yaml

__all__ = ["FACT_KEYS", "HostFacts", "Ran", "Run", "collect", "main_facts", "to_yaml"]
