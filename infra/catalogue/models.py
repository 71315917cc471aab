"""Models: the config.json facts of what people commonly serve, so that a plan needs no download."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).with_name("models.json")
# What the names of derived checkpoints add without changing the shape. Taken off one at a time, from the end.
_DERIVED: Final = re.compile(
    r"[-_.](?:instruct|chat|it|base|pt|hf|latest|preview|unsloth|quantized|dynamic|static|block|per[-_]?tensor"
    r"|fp8|nvfp4|fp4|mxfp4|awq|gptq|int4|int8|4bit|8bit|bnb|w4a16|w8a8|w8a16|g128|128g|bf16|autoround|marlin|qat|q4_0"
    r"|\d{4}|v0\.\d|\d{2}[-_]\d{4})$"
)


@dataclass(frozen=True, eq=False)
class ModelFacts:
    """One entry. `config` has upstream's key names; `derived` says that the asked name isn't the entry's own."""

    name: str
    config: Mapping[str, Any]
    kind: str
    source: str
    gated: bool
    derived: bool


@cache
def find_model(name: str) -> ModelFacts | None:
    """Return the facts of a hub id; also of a derived checkpoint whose name says which model it comes from."""
    if name in _content()["models"]:
        return _facts(name, derived=False)
    exact, plain = _index()
    if name in exact:
        return _facts(exact[name], derived=False)
    wanted = name.lower()
    if wanted in plain:
        return _facts(plain[wanted], derived=False)
    stem = wanted.rpartition("/")[2]
    for candidate in _stems(stem):
        if candidate in plain:
            found = plain[candidate]
            # Another publisher's build of the same name leaves out other modules: its quantization isn't this one's.
            is_other = found.lower() != wanted and "quantization_config" in _content()["models"][found]["config"]
            return _facts(found, derived=candidate != stem or is_other)
    return None


def all_models() -> Iterable[str]:
    """Return every catalogue name, sorted."""
    return sorted(_content()["models"])


def _stems(stem: str) -> Iterable[str]:
    seen = [stem.removeprefix("meta-"), stem]
    yield from seen
    rest = seen[0]
    while True:
        shorter = _DERIVED.sub("", rest)
        if shorter == rest:
            return
        rest = shorter
        yield rest


def _facts(name: str, *, derived: bool) -> ModelFacts:
    entry = _content()["models"][name]
    return ModelFacts(
        name=name,
        config=entry["config"],
        kind=str(entry.get("kind", "chat")),
        source=str(entry.get("source", "")),
        gated=bool(entry.get("gated")),
        derived=derived,
    )


@cache
def _index() -> tuple[Mapping[str, str], Mapping[str, str]]:
    exact: dict[str, str] = {}
    plain: dict[str, str] = {}
    content = _content()["models"]
    for name, entry in content.items():
        for alias in (name, *entry.get("aliases", ())):
            exact[alias] = name
            plain.setdefault(alias.lower(), name)
    # Stems last: a full name is always right, a stem only where nobody has that name.
    # Among them unquantized models first, so that a derived name finds the shape and not another build's quantization.
    for alias, name in sorted(exact.items(), key=lambda item: "quantization_config" in content[item[1]]["config"]):
        for stem in _stems(alias.lower().rpartition("/")[2]):
            plain.setdefault(stem, name)
    return exact, plain


@cache
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content
