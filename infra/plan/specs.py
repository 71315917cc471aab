"""From what people ask for to what the memory planner reads: a ModelServer on a kind of card as an EngineSpec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from infra.catalogue.versions import PINNED, Behaviour, behaviour_of, parse_version
from infra.config.models import SYNTHETIC, ModelServer
from infra.config.restart import Restart
from infra.config.schema import StackConfig
from infra.config.types import cores_of
from infra.memory.checkpoint import Checkpoint, checkpoint_of
from infra.memory.engine import Card, EngineSpec
from infra.memory.weights import Parallel
from infra.plan.calibration import NOTHING, Calibration, observed_of

# A synthetic model is made for the context it is to have; this is what it gets when nobody says.
SYNTHETIC_CONTEXT: Final = 2048
# Docker's 64 MiB is too small for the workers' messages; vLLM's multi-GPU examples use 10 GiB and more.
_SHM_BYTES: Final = {"cpu": 512 * 2**20, "cuda": 2 * 2**30, "rocm": 2 * 2**30}
_SHM_PARALLEL_BYTES: Final = 10 * 2**30
Flags = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, eq=False)
class Shared:
    """What sections of services say that the plan depends on: `args` and `restart` of hearth:engines, and whether a step
    fetches weights (hearth:prefetch.enabled).
    """

    args: Flags = field(default_factory=dict)
    restart: Restart | None = None
    fetches: bool = True


@dataclass(frozen=True, eq=False)
class Engines:
    """What all engines of a stack share: vLLM's version, common flags, and the folder that paths start from.

    `restart` is the promise of engines that have none of their own, `restart_path` where it is written;
    `calibration` is what was seen of engines that were started before; `fetches` whether a step fetches weights.
    """

    version: str
    behaviour: Behaviour
    shared_args: Flags
    root: Path
    restart: Restart
    restart_path: str
    calibration: Calibration
    fetches: bool = True

    def promise_source(self, name: str, model: ModelServer) -> tuple[Restart, str]:
        """Return the restart section that counts for a model, and its path in the stack file."""
        if model.restart is not None:
            return model.restart, f"hearth:models.{name}.restart"
        return self.restart, self.restart_path

    def checkpoint(self, model: ModelServer) -> Checkpoint:
        """Return what a model is; synthetic ones are in the catalogue under that name."""
        return checkpoint_of(model.source, model.quantization, self.root)

    def spec(self, model: ModelServer, card: Card) -> EngineSpec:
        """Return the engine on a kind of card, with what was seen of such a one; `auto` values are left open."""
        spec = self._asked(model, card)
        seen = observed_of(self.calibration, model, spec)
        return spec if seen is None else replace(spec, observed=seen)

    def _asked(self, model: ModelServer, card: Card) -> EngineSpec:
        args = {**self.shared_args, **model.args}
        return EngineSpec(
            checkpoint=self.checkpoint(model),
            card=card,
            behaviour=behaviour_of(self.version, card.kind.compute_capability if card.kind is not None else None),
            parallel=Parallel(
                model.tensor_parallel,
                model.pipeline_parallel,
                expert=model.expert_parallel,
            ),
            fraction=None if model.memory_fraction == "auto" else model.memory_fraction,
            context=self._context(model),
            max_sequences=model.max_sequences,
            max_batched_tokens=model.max_batched_tokens or _integer(args, "max-num-batched-tokens"),
            kv_cache_dtype=model.kv_cache_dtype or "auto",
            kv_cache_bytes=model.kv_cache,
            dtype=model.dtype,
            block_size=_integer(args, "block-size"),
            enforce_eager=args.get("enforce-eager") is True,
            text_only=args.get("language-model-only") is True,
            max_loras=model.adapters_at_once,
            max_lora_rank=model.largest_rank,
        )

    def _context(self, model: ModelServer) -> int | None:
        if model.context is None and model.source == SYNTHETIC:
            return SYNTHETIC_CONTEXT
        return None if model.context == "auto" else model.context


def engines_of(config: StackConfig, shared: Shared, root: Path, calibration: Calibration = NOTHING) -> Engines:
    """Return what the stack's engines share; the version is that of their image's tag."""
    version = version_of(config)
    restart, path = config.restart, "hearth:restart"
    if shared.restart is not None:
        restart, path = shared.restart, "hearth:engines.restart"
    return Engines(version, behaviour_of(version), shared.args, root, restart, path, calibration, shared.fetches)


def version_of(config: StackConfig) -> str:
    """Return vLLM's version: of the tag that the stack asks for, or the one that Hearth pins."""
    image = config.images.get("vllm", "")
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    parsed = parse_version(tag)
    return tag.lstrip("v").partition("-")[0] if parsed is not None and parsed > (0, 5) else PINNED


def shm_bytes(model: ModelServer) -> int:
    """Return the size of an engine's /dev/shm."""
    return model.shm or (_SHM_PARALLEL_BYTES if model.cards > 1 else _SHM_BYTES[model.device])


def cores_for(config: StackConfig, model: ModelServer, host: str) -> int | None:
    """Return how many cores an engine on CPU has on a host, one where nobody says; None for an engine on cards."""
    if model.device != "cpu":
        return None
    return len(cores_of(model.cores)) if model.cores else config.inventory.hosts[host].cores or 1


def _integer(args: Flags, flag: str) -> int | None:
    value = args.get(flag)
    try:
        return int(value) if value is not None and not isinstance(value, bool) else None
    except ValueError:
        return None
