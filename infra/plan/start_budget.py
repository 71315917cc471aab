"""How long an engine may take to start before it counts as hung: from the bytes it reads and what it does with them.

A start that is merely slow must never be ended, so every part is at least twice what was seen. Seen, each once:
Qwen3-0.6B on an A10 79 s (vllm pull request 49782); Qwen3-32B 68 s (pull request 32191); Qwen3.6-35B-A3B in NVFP4 on an
RTX 5090 277 s, 210 of them profiling (issue 44881); 13 GiB over two RTX 3090 11 min: CUDA 2.5 min, NCCL 30 s, weights
63 s, compilation 166 s, profiling 131 s, graphs 90 s (mitchross/talos-argocd-proxmox, pull request 1848).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.config.models import SYNTHETIC, ModelServer
from infra.interval import GIB
from infra.memory import quantization as q
from infra.memory.architecture import Moe
from infra.memory.engine import EngineSpec
from infra.memory.weights import checkpoint_bytes

# Python, torch and vLLM until the weights are opened; engines that start together share few cores.
_LAUNCH_S: Final = 180.0
# Twice the 150 s of CUDA and 30 s of NCCL above, which only ranks of several cards pay.
_LINKED_LAUNCH_S: Final = 360.0
# Half of the slowest load above (13 GiB in 63 s), and what a network of 1 Gbit/s still gives.
_DISK_BYTES_PER_S: Final = 100 * 2**20
# A synthetic model is made and saved in about half a minute on two cores.
_MAKE_SYNTHETIC_S: Final = 60.0
# Twice the 166 s above. Experts make larger graphs: a model of 30B with experts once took 37 min (vllm issue 34399).
_COMPILE_S: Final = 360.0
_COMPILE_EXPERTS_S: Final = 2400.0
# Inductor calls a C++ compiler there, on the engine's own few cores.
_COMPILE_CPU_S: Final = 900.0
# Twice the 210 s of profiling and kernel tuning above, and twice the 90 s of graphs.
_PROFILE_S: Final = 420.0
_CAPTURE_S: Final = 180.0
# A line of 50 Mbit/s brings 6 MiB/s when nobody else is on it.
_HUB_BYTES_PER_S: Final = 4 * 2**20
_HUB_S: Final = 300.0
# When neither the catalogue nor a card bounds a model: the files of one of 30B in 16 bit.
_UNKNOWN_BYTES: Final = 60 * GIB
_WEIGHT_FILES: Final = ("*.safetensors", "*.bin", "*.gguf", "*.pt")


@dataclass(frozen=True)
class StartBudget:
    """The longest an engine may take for each part, in seconds; `read_bytes` are the weights that it reads.

    `download_s` is for the hub alone. It is part of the start only where the engine downloads for itself; else the
    weights are fetched before (`is_fetched`).
    """

    download_s: float
    load_s: float
    compile_s: float
    warm_s: float
    read_bytes: float = 0.0
    is_fetched: bool = True

    @property
    def start_s(self) -> float:
        """From the engine's first line to its first answer."""
        return self.load_s + self.compile_s + self.warm_s + (0.0 if self.is_fetched else self.download_s)


def start_budget(spec: EngineSpec, model: ModelServer, root: Path = Path(), *, is_fetched: bool = True) -> StartBudget:
    """Return the budget of an engine; `root` is where relative paths start. More bytes never give less."""
    size = read_bytes(spec, model, root)
    load = (_LINKED_LAUNCH_S if model.cards > 1 else _LAUNCH_S) + size / _DISK_BYTES_PER_S
    on_cpu = model.device == "cpu"
    return StartBudget(
        # Whole seconds: a time-out with twelve digits says nothing more.
        download_s=math.ceil(_HUB_S + size / _HUB_BYTES_PER_S) if model.is_from_hub else 0.0,
        load_s=math.ceil(load + (_MAKE_SYNTHETIC_S if model.source == SYNTHETIC else 0.0)),
        compile_s=0.0 if spec.enforce_eager else _compile_s(spec, on_cpu=on_cpu),
        warm_s=_PROFILE_S + (0.0 if spec.enforce_eager or on_cpu else _CAPTURE_S),
        read_bytes=size,
        is_fetched=is_fetched,
    )


def _compile_s(spec: EngineSpec, *, on_cpu: bool) -> float:
    architecture = spec.checkpoint.architecture
    # Of an unknown model the slower kind is assumed.
    has_experts = architecture is None or any(
        isinstance(block, Moe) for layer in architecture.layer_counts for block in layer.feed_forward
    )
    return max(_COMPILE_EXPERTS_S if has_experts else _COMPILE_S, _COMPILE_CPU_S if on_cpu else 0.0)


def read_bytes(spec: EngineSpec, model: ModelServer, root: Path = Path()) -> float:
    """Return the bytes of the files that an engine reads. Of an unknown model: as many as its cards could hold."""
    architecture = spec.checkpoint.architecture
    if architecture is not None:
        # What is quantized at start is read in 16 bit.
        is_own = model.quantization is None or bool(architecture.quantization)
        return checkpoint_bytes(architecture, spec.checkpoint.quantization if is_own else q.NONE)
    found = _files_bytes(root / model.source) if model.is_local_directory else 0.0
    return found or spec.requested.value * model.cards or float(_UNKNOWN_BYTES)


def _files_bytes(directory: Path) -> float:
    try:
        return float(max(sum(file.stat().st_size for file in directory.glob(kind)) for kind in _WEIGHT_FILES))
    except OSError:
        return 0.0


def budget_text(budget: StartBudget) -> str:
    """Return the parts of a budget in one line, as in `read 29 GiB 8 min, compile 6 min, warm-up 10 min`."""
    size = budget.read_bytes / GIB
    read = f"read {size:.0f} GiB" if size >= 1 else f"read {size:.1f} GiB"
    parts: Iterable[tuple[str, float]] = (
        ("download", 0.0 if budget.is_fetched else budget.download_s),
        (read, budget.load_s),
        ("compile", budget.compile_s),
        ("warm-up", budget.warm_s),
    )
    return ", ".join(f"{name} {minutes(duration_s)}" for name, duration_s in parts if duration_s)


def minutes(duration_s: float) -> str:
    """Return a limit in whole minutes, rounded up, or in hours where they are many."""
    whole = -(-int(duration_s) // 60)
    return f"{whole} min" if whole <= 120 else f"{-(-whole // 30) / 2:g} h"  # noqa: PLR2004 - two hours, then halves
