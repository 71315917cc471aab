"""What users ask for: a model, served."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.config.restart import Restart
from infra.config.types import CpuSet, Fraction, Model, PlaceName, SizeBytes, Slug

Kind = Literal["chat", "embedding"]
Device = Literal["cuda", "rocm", "cpu"]
SYNTHETIC = "synthetic"


class ModelServer(Model):
    """One model and how it is served; each replica becomes an engine of its own."""

    source: str = Field(
        description="a hub id (Qwen/Qwen3-1.7B), a directory on the host (starts with / or .), or synthetic: "
        "a tiny random model made on the spot"
    )
    revision: str | None = Field(default=None, description="branch, tag or commit of the hub repository")
    kind: Kind = Field(default="chat", description="chat or embedding")
    device: Device = Field(default="cuda", description="cuda, rocm or cpu")
    place: PlaceName | None = Field(default=None, description="host or group; without it any host that fits")
    gpus: tuple[str, ...] = Field(default=(), description="ids of the cards on that host; without them any that fit")
    tensor_parallel: int = Field(default=1, ge=1, description="cards one engine is split over")
    memory_fraction: Fraction = Field(
        default=0.9, description="share of each card this engine may use; engines on one card share 1.0"
    )
    kv_cache: SizeBytes | None = Field(default=None, description="exact size of the KV cache per rank, as in 4GiB")
    kv_cache_dtype: str | None = Field(default=None, description="KV cache data type, as in fp8")
    cores: CpuSet | None = Field(default=None, description="cores of a CPU engine, as in 0-3")
    context: int | None = Field(default=None, ge=16, description="longest prompt and answer together, in tokens")
    max_sequences: int | None = Field(default=None, ge=1, description="requests that run at the same time")
    dtype: str = Field(default="auto", description="weight data type, as in bfloat16")
    quantization: str | None = Field(default=None, description="quantization method, when config.json doesn't say")
    replicas: int = Field(default=1, ge=1, le=32, description="engines with this model, behind one name")
    after: tuple[Slug, ...] = Field(default=(), description="models that must be healthy before this one starts")
    gated: bool = Field(
        default=False, description="the hub asks for a token (hearth:hfToken) before it gives the weights"
    )
    memory: SizeBytes | None = Field(default=None, description="RAM limit of each engine's container, as in 8GiB")
    shm: SizeBytes | None = Field(default=None, description="size of /dev/shm; tensor parallel wants 10GiB or so")
    args: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="further vllm serve flags without the dashes; true is a flag without value, false its --no- form",
    )
    environment: dict[str, str] = Field(default_factory=dict, description="further environment variables")
    restart: Restart | None = Field(default=None, description="restart promise, when it differs from hearth:restart")

    @property
    def is_local_directory(self) -> bool:
        """Whether `source` is a directory on the engine's host."""
        return self.source.startswith(("/", "."))

    @property
    def is_from_hub(self) -> bool:
        """Whether the weights are downloaded from the model hub."""
        return self.source != SYNTHETIC and not self.is_local_directory
