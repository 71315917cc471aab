"""Real starts of vLLM, as people's logs show them (bench/starts/*.jsonl), and the engines that they were.

A record's own figures are never changed. What its source leaves open stands beside them: `assumed_<input>` with
`assumed_because`, `corrected_<figure>` with `corrected_because`, and `exclude` where an input is unknown or
contradicts the log; `arguments` says how one knows that unnamed flags had their defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra.catalogue.gpus import GpuKind, find_gpu
from infra.catalogue.versions import Behaviour, behaviour_of
from infra.interval import GIB, Interval
from infra.memory.checkpoint import Checkpoint, checkpoint_of
from infra.memory.engine import Card, EngineSpec
from infra.memory.estimate import estimate
from infra.memory.weights import Parallel

FOLDER: Final = Path(__file__).with_name("starts")
FILES: Final = ("reference", "further")
FAILURES: Final = frozenset({"kv_too_small", "oom", "free_memory_error"})
# Flags and settings by which a log says that pictures aren't read.
_TEXT_ONLY: Final = ("language_model_only=True", "'image': 0")
# Read from the checkpoint by vLLM itself: no request to quantize.
_DETECTED: Final = frozenset({"compressed-tensors", "modelopt", "modelopt_mixed", "auto_round", "gptq_marlin", "w8a8"})
# A catalogue memory this much apart (share of it) doesn't tell what a card had.
_MEMORY_KNOWN_WITHIN: Final = 0.01


@dataclass(frozen=True, eq=False)
class Start:
    """One logged start. `fields` is its line of the file."""

    file: str
    fields: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The line's name."""
        return str(self.fields["id"])

    @property
    def source(self) -> str:
        """Where it was found: a repository, a site, or a file by itself."""
        parts = str(self.fields["source_url"]).split("/")
        return "/".join(parts[2:5]) if "//" in str(self.fields["source_url"]) else parts[0]

    @property
    def outcome(self) -> str | None:
        """`started`, one of FAILURES, or None where the source doesn't tell."""
        outcome: str | None = self.fields["observed"].get("outcome")
        return outcome

    @property
    def has_failed(self) -> bool:
        """Whether vLLM stopped for want of memory."""
        return self.outcome in FAILURES

    def given(self, name: str) -> Any:
        """Return an input: what was assumed with a reason, else what the log says, else None."""
        assumed = self.fields.get(f"assumed_{name}")
        return self.fields.get(name) if assumed is None else assumed

    def logged(self, name: str) -> float | None:
        """Return a logged figure, corrected where a record gives the reason."""
        figure = self.fields.get(f"corrected_{name}", self.fields["observed"].get(name))
        return None if figure is None else float(figure)

    @property
    def text(self) -> str:
        """The flags and settings that no field of their own holds."""
        return " ".join(str(self.fields.get(name) or "") for name in ("flags", "env"))


def read(file: str) -> list[Start]:
    """Return the starts of one of FILES, in the file's order."""
    lines = (FOLDER / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Start(file, json.loads(line)) for line in lines if line]


def version_of(start: Start) -> str | None:
    """Return the vLLM version that a record states or assumes."""
    version: str | None = start.given("vllm_version") or start.fields.get("assumed_version")
    return version


def checkpoint_for(start: Start) -> Checkpoint | None:
    """Return the checkpoint that a record names, quantized at load time where the record says so."""
    name = start.given("model")
    if not name:
        return None
    plain = checkpoint_of(name)
    method = str(start.given("quantization") or "").split(" ")[0].lower()
    if plain.architecture is None or plain.quantization.method != "none" or not method or method in _DETECTED:
        return plain
    return checkpoint_of(name, method)


def card_for(start: Start) -> Card | None:
    """Return the card: its logged total where there is one, else what the catalogue has of its name."""
    name = str(start.given("gpu") or "")
    kind: GpuKind | None = find_gpu(name) if name else None
    free = start.given("free_gib_at_start")
    known_free = Interval.exact(free * GIB) if free is not None else None
    total = start.given("gpu_memory_gib")
    if total is not None:
        return Card(name or "a card", Interval.exact(total * GIB), kind, is_measured=True, free=known_free)
    return Card(kind.name, kind.memory, kind, free=known_free) if kind is not None else None


def spec_of(start: Start, card: Card | None = None) -> EngineSpec | str:
    """Return the engine of a record, or why there is none to compute; `card` stands in for one that isn't named."""
    version, checkpoint = version_of(start), checkpoint_for(start)
    card = card_for(start) or card
    missing = [name for name, found in (("version", version), ("model", checkpoint), ("card", card)) if found is None]
    if "CPU" in str(start.given("gpu")):
        return "runs on the CPU backend, which this planner leaves out"
    if version is None or checkpoint is None or card is None:
        return f"not named: {', '.join(missing)}"
    if checkpoint.architecture is None:
        return checkpoint.unknown
    try:
        behaviour = behaviour_of(version, card.kind.compute_capability if card.kind is not None else None)
    except ValueError as error:
        return str(error)
    return _spec(start, checkpoint, card, behaviour)


def _spec(start: Start, checkpoint: Checkpoint, card: Card, behaviour: Behaviour) -> EngineSpec:
    sampler = start.given("sampler")
    return EngineSpec(
        checkpoint,
        card,
        behaviour,
        Parallel(
            tensor=start.given("tp") or 1,
            pipeline=start.given("pp") or 1,
            data=start.given("dp") or 1,
            expert=bool(start.given("ep")),
        ),
        fraction=start.given("gpu_memory_utilization"),
        context=start.given("max_model_len"),
        max_sequences=start.given("max_num_seqs"),
        max_batched_tokens=start.given("max_num_batched_tokens"),
        kv_cache_dtype=str(start.given("kv_cache_dtype") or "auto").split(" ")[0],
        dtype=start.given("dtype") or "auto",
        block_size=start.given("block_size"),
        enforce_eager=bool(start.given("enforce_eager")),
        sampler=sampler if sampler in {"native", "flashinfer"} else None,
        offline="LLM()" in str(start.given("entrypoint")),
        text_only=any(mark in start.text for mark in _TEXT_ONLY),
        max_loras=1 if start.given("lora") else 0,
    )


def unknown_inputs(start: Start, spec: EngineSpec) -> tuple[str, ...]:
    """Return why not every input of a start is known; empty when every one is.

    An input that the log leaves open counts as known when it had its default (`arguments` says how one knows) or
    when it makes no difference to the pool.
    """
    reasons = [str(start.fields["exclude"])] if start.fields.get("exclude") else []
    reasons += [f"the checkpoint is concluded: {doubt}" for doubt in spec.checkpoint.doubts]
    if start.given("speculative"):
        reasons.append("a draft model or draft layers run beside it, which the planner leaves out")
    memory = spec.card.memory
    if memory.high - memory.low > _MEMORY_KNOWN_WITHIN * memory.value:
        reasons.append("the card's memory isn't logged, and cards of that name differ")
    if start.given("lora"):
        reasons.append("the rank of its LoRA adapters isn't logged")
    if not start.fields.get("arguments"):
        reasons += _open_flags(start, spec)
    if _sampler_is_open(spec):
        reasons.append("whether FlashInfer was installed isn't logged, and this version samples with it if so")
    return tuple(reasons)


def _open_flags(start: Start, spec: EngineSpec) -> list[str]:
    reasons = []
    if start.given("gpu_memory_utilization") is None:
        reasons.append("the utilization isn't logged")
    if start.given("max_model_len") is None and _matters(spec, replace(spec, context=spec.tokens // 4)):
        reasons.append("the context isn't logged")
    if start.given("max_num_seqs") is None and _matters(spec, replace(spec, max_sequences=spec.sequences // 4)):
        reasons.append("max_num_seqs isn't logged")
    other = replace(spec, max_batched_tokens=max(spec.sequences, spec.batched_tokens // 2))
    if start.given("max_num_batched_tokens") is None and _matters(spec, other):
        reasons.append("max_num_batched_tokens isn't logged")
    return reasons


def _matters(spec: EngineSpec, other: EngineSpec) -> bool:
    one, two = estimate(spec), estimate(other)
    assert one is not None
    assert two is not None
    return abs(one.pool.value - two.pool.value) > 0.005 * abs(one.pool.value)


def _sampler_is_open(spec: EngineSpec) -> bool:
    if spec.sampler is not None or not spec.behaviour.sampler_or:
        return False
    return _matters(spec, replace(spec, sampler="native")) or _matters(spec, replace(spec, sampler="flashinfer"))
