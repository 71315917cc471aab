"""calibration.json: what started engines reported, kept beside the stack files so that the next plan can prefer it.

One file serves all stacks: an entry holds for an engine of the same model, version, card and settings, wherever it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError

from infra.catalogue.versions import parse_version
from infra.config.models import ModelServer
from infra.config.types import Model
from infra.errors import Finding, Severity
from infra.interval import GIB
from infra.memory.engine import EngineSpec
from infra.memory.observed import Observed

FILE_NAME: Final = "calibration.json"
ON_CPU: Final = "cpu"
_SCHEMA: Final = 1
# A pebibyte: beyond that a figure is a mistake.
_MOST_BYTES: Final = 2**50
Bytes = Annotated[StrictInt, Field(ge=0, le=_MOST_BYTES)]
Count = Annotated[StrictInt, Field(ge=0, le=2**50)]
Number = Annotated[StrictInt, Field(ge=1, le=2**40)]


class Key(Model):
    """What must be equal for an observation to hold. Batches are as vLLM takes them, also where nobody set them."""

    model: StrictStr = Field(description="the model's source, as in the stack file")
    revision: StrictStr | None = Field(default=None, description="its revision, where the stack file names one")
    vllm: StrictStr = Field(pattern=r"^\d+\.\d+\.\d+$", description="vLLM's version, as in 0.32.0")
    card: StrictStr = Field(description="the card's product, or cpu")
    card_memory_gib: float | None = Field(
        default=None, gt=0, le=_MOST_BYTES, allow_inf_nan=False, description="its memory, one decimal; null on cpu"
    )
    tensor_parallel: Number = Field(description="cards that each layer is split over")
    pipeline_parallel: Number = Field(description="stages")
    expert_parallel: StrictBool = Field(description="whether whole experts are spread")
    dtype: StrictStr = Field(description="data type of the weights as asked for")
    quantization: StrictStr | None = Field(default=None, description="method, where the stack file names one")
    kv_cache_dtype: StrictStr = Field(description="data type of the cache as asked for")
    max_batched_tokens: Number = Field(description="tokens of the largest batch")
    max_sequences: Number = Field(description="requests of the largest batch")
    enforce_eager: StrictBool = Field(description="whether nothing is compiled and no graph captured")
    text_only: StrictBool = Field(description="whether the picture encoder is left out")
    loras: Count = Field(description="LoRA adapters that are active at once")
    lora_rank: StrictInt | None = Field(default=None, description="largest rank of an adapter; null without adapters")

    def __str__(self) -> str:
        split = f" x{self.tensor_parallel * self.pipeline_parallel}" if self.card != ON_CPU else ""
        return f"{self.model} on {self.card}{split}, vLLM {self.vllm}"


class Figures(Model):
    """What one rank of such an engine reported, sizes in bytes; null is what it didn't say."""

    at: StrictStr = Field(pattern=r"^\d{4}-\d\d-\d\d$", description="day of the observation (UTC)")
    stack: StrictStr = Field(description="stack that it was seen in")
    fraction: float | None = Field(default=None, gt=0, le=1, description="share of the card it was started with")
    weights_bytes: Bytes | None = Field(default=None, description="weights")
    non_kv_bytes: Bytes | None = Field(
        default=None, description="what of the share isn't cache; null where the cache's size was pinned"
    )
    activation_bytes: Bytes | None = Field(default=None, description="activation peak of the profile run")
    non_torch_bytes: Bytes | None = Field(default=None, description="CUDA context and libraries")
    graphs_bytes: Bytes | None = Field(default=None, description="recorded CUDA graphs")
    kv_bytes: Bytes | None = Field(default=None, description="the cache")
    tokens: Count | None = Field(default=None, description="tokens that it holds")
    blocks: Count | None = Field(default=None, description="blocks that it is cut in")
    start_s: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="seconds until it served")

    @property
    def origin(self) -> str:
        """When and where it was seen, for people."""
        return f"{self.at}, stack {self.stack}"


Calibration = Mapping[Key, Figures]
NOTHING: Final[Calibration] = {}


def key_of(model: ModelServer, spec: EngineSpec, version: tuple[int, ...] | None = None) -> Key:
    """Return the key of an engine; `version` is the one that runs, where that is known not to be the plan's."""
    is_cpu = model.device == "cpu"
    return Key(
        model=model.source,
        revision=model.revision,
        vllm=".".join(map(str, version or spec.behaviour.version)),
        card=ON_CPU if is_cpu else spec.card.name,
        card_memory_gib=None if is_cpu else round(spec.card.memory.value / GIB, 1) or None,
        tensor_parallel=spec.parallel.tensor,
        pipeline_parallel=spec.parallel.pipeline,
        expert_parallel=spec.parallel.expert,
        dtype=spec.dtype,
        quantization=model.quantization,
        kv_cache_dtype=spec.kv_cache_dtype,
        max_batched_tokens=spec.batched_tokens,
        max_sequences=spec.sequences,
        enforce_eager=spec.enforce_eager,
        text_only=spec.text_only,
        loras=spec.max_loras,
        lora_rank=spec.max_lora_rank if spec.max_loras else None,
    )


def observed_of(calibration: Calibration, model: ModelServer, spec: EngineSpec) -> Observed | None:
    """Return what was seen of such an engine; None where nothing was that the planner computes with."""
    figures = calibration.get(key_of(model, spec)) if calibration else None
    if figures is None:
        return None
    seen = Observed(
        spec.memory_settings,
        figures.origin,
        fraction=figures.fraction,
        weights_bytes=figures.weights_bytes,
        non_kv_bytes=figures.non_kv_bytes,
        activation_bytes=figures.activation_bytes,
        non_torch_bytes=figures.non_torch_bytes,
        graphs_bytes=figures.graphs_bytes,
    )
    return seen if seen.says_something else None


def read_calibration(root: Path) -> tuple[Calibration, list[Finding]]:
    """Return the file's entries. What is wrong with them is a warning each, and such an entry counts as none."""
    try:
        content: Any = json.loads((root / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return NOTHING, []
    except (OSError, ValueError, RecursionError) as error:
        return NOTHING, [_wrong("", f"can't be read: {' '.join(str(error).split())[:200]}")]
    engines = content.get("engines") if isinstance(content, dict) else None
    if not isinstance(engines, list) or content.get("schema") != _SCHEMA:
        return NOTHING, [_wrong("", f"is no calibration of schema {_SCHEMA}")]
    entries: dict[Key, Figures] = {}
    findings: list[Finding] = []
    for number, row in enumerate(engines):
        entry = _entry(row, f"engines[{number}]", findings)
        if entry is None:
            continue
        if entry[0] in entries:
            findings.append(_wrong(f"engines[{number}]", f"is a second entry for {entry[0]}"))
            continue
        entries[entry[0]] = entry[1]
    return entries, findings


def calibration_text(calibration: Calibration) -> str:
    """Return the file's text: entries and their fields in one order, so that a review shows what changed."""
    rows = [
        {**key.model_dump(mode="json"), "observed": calibration[key].model_dump(mode="json")}
        for key in sorted(calibration, key=lambda key: json.dumps(key.model_dump(mode="json"), sort_keys=True))
    ]
    return json.dumps({"engines": rows, "schema": _SCHEMA}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _entry(row: Any, where: str, findings: list[Finding]) -> tuple[Key, Figures] | None:
    if not isinstance(row, dict):
        findings.append(_wrong(where, "is no entry"))
        return None
    own = {name: value for name, value in row.items() if name != "observed"}
    before = len(findings)
    try:
        key = Key.model_validate(own)
    except ValidationError as error:
        findings += _mistakes(error, where)
    try:
        figures = Figures.model_validate(row.get("observed"))
    except ValidationError as error:
        findings += _mistakes(error, f"{where}.observed")
    if len(findings) > before:
        return None
    if parse_version(key.vllm) is None or (key.card == ON_CPU) != (key.card_memory_gib is None):
        findings.append(_wrong(f"{where}.card_memory_gib", "is missing, or there is one on cpu"))
        return None
    return key, figures


def _mistakes(error: ValidationError, where: str) -> Sequence[Finding]:
    return [
        _wrong(".".join([where, *map(str, item["loc"])]), f"{item['msg'][:1].lower()}{item['msg'][1:]}")
        for item in error.errors(include_url=False, include_input=False)
    ]


def _wrong(where: str, problem: str) -> Finding:
    fix = "write it anew with `python -m infra observe --save`, or remove it; without it the estimate counts"
    return Finding(f"{FILE_NAME}: {where}" if where else FILE_NAME, problem, fix, Severity.WARNING)
