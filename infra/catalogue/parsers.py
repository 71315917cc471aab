"""Which parsers of tool calls and of reasoning a model's family needs, as far as vLLM's documentation says."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from infra.catalogue.flag_table import parser_names
from infra.catalogue.versions import parse_version

_FILE: Final = Path(__file__).with_name("parsers.json")
NONE: Final = ""


@dataclass(frozen=True)
class Parsers:
    """Names of parsers; empty where the family has none or the version doesn't know it.

    `template` is the chat template that the tool parser needs, a file of vLLM's examples.
    """

    tool: str = NONE
    reasoning: str = NONE
    template: str = NONE


def parsers_of(source: str, version: str) -> Parsers:
    """Return the parsers of a hub id or a directory, by its last part; none for a family that isn't known."""
    name = source.rstrip("/").rpartition("/")[2].lower()
    family = next((family for family in _families() if any(fnmatch.fnmatch(name, p) for p in family["patterns"])), {})
    tool = _first(family.get("tool", ()), "tool", version)
    return Parsers(
        tool, _first(family.get("reasoning", ()), "reasoning", version), family.get("template", NONE) if tool else NONE
    )


def _first(names: list[str], kind: Literal["tool", "reasoning"], version: str) -> str:
    """Return the first parser that the version brings; one that is no number (nightly) is taken for the newest."""
    known = parser_names(kind, parse_version(version) or (10**6,))
    return next((name for name in names if name in known), NONE)


@cache
def _families() -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(_FILE.read_text(encoding="utf-8"))["families"])
