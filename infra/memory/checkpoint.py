"""What is served: a checkpoint's shape and quantization, found by name or read from its own config.json."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from infra.catalogue.models import all_models, find_model
from infra.memory import quantization as q
from infra.memory.architecture import Architecture
from infra.memory.hub_config import architecture_of, read_config
from infra.memory.keys import UnknownShapeError
from infra.memory.quantization import Quantization

# Names of one family are alike: only what is nearly the same can be a typo.
_CLOSE: Final = 0.9
_FROM_NAME: Final = "quantization"
CATALOGUE: Final = "catalogue"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model as the planner sees it. Without an architecture it is unknown, and `unknown` says why.

    `doubts` name what was concluded instead of read; they widen the interval of the weights.
    """

    name: str
    architecture: Architecture | None
    quantization: Quantization
    source: str
    unknown: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def weight_doubt(self) -> tuple[float, float]:
        """By which shares the weights may be less and more than computed.

        What a 4-bit checkpoint leaves in 16 bit, only its own config.json tells: some leave whole attentions.
        """
        if any(doubt.startswith(_FROM_NAME) for doubt in self.doubts):
            return (0.03, 0.05) if self.quantization.method in {"fp8", "int8"} else (0.05, 0.25)
        return (0.02, 0.02) if self.doubts else (0.0, 0.0)


@cache
def checkpoint_of(name: str, quantization: str | None = None, directory: Path | None = None) -> Checkpoint:
    """Return the checkpoint of a hub id, a directory or a config.json; never raises for an unknown one.

    `quantization` is what people set for the engine; `directory` is where relative paths start.
    """
    path = (directory or Path()) / name
    if name.endswith(".json") or path.is_dir():
        try:
            return _read(name, path, quantization)
        except UnknownShapeError as error:
            return Checkpoint(name, None, q.NONE, "config.json", unknown=str(error))
    facts = find_model(name)
    if facts is None:
        close = difflib.get_close_matches(name, all_models(), n=1, cutoff=_CLOSE)
        fix = f"did you mean {close[0]}; else give" if close else "give"
        return Checkpoint(
            name, None, q.NONE, "none", unknown=f"the catalogue has no {name}; {fix} the path of its config.json"
        )
    try:
        architecture = architecture_of(facts.config)
        own = q.quantization_of(architecture.quantization)
    except UnknownShapeError as error:
        return Checkpoint(name, None, q.NONE, facts.source, unknown=str(error))
    doubts: tuple[str, ...] = ()
    if facts.derived:
        what = _FROM_NAME if architecture.quantization else "shape"
        doubts = (f"{what} of {facts.name}, which the name derives from",)
    if facts.kind == "embedding" and architecture.role == "decoder":
        architecture = replace(architecture, role="pooler")
    from_name = q.of_name(name) if not architecture.quantization else None
    if (quantization is None or quantization in q.CONTAINERS) and from_name is not None:
        own = q.requested(from_name)
        doubts = (*doubts, f"{_FROM_NAME} {from_name} concluded from the name")
    source = f"{CATALOGUE}: {facts.name}"
    try:
        chosen = _chosen(own, quantization)
    except UnknownShapeError as error:
        return Checkpoint(name, None, q.NONE, source, unknown=str(error))
    return Checkpoint(name, architecture, chosen, source, doubts=doubts)


def _read(name: str, path: Path, quantization: str | None) -> Checkpoint:
    architecture = architecture_of(read_config(path))
    own = q.quantization_of(architecture.quantization)
    return Checkpoint(name, architecture, _chosen(own, quantization), f"{path.name} of {path.parent}")


def _chosen(own: Quantization, asked: str | None) -> Quantization:
    """Return the asked quantization, or the checkpoint's own where it has one: vLLM refuses to mix two."""
    if asked is None or asked in q.CONTAINERS or own is not q.NONE:
        return own
    return q.requested(asked)
