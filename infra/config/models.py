"""What users ask for: a model, served."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from infra.config.restart import Restart
from infra.config.types import CpuSet, Fraction, Model, PlaceName, SizeBytes, Slug

Kind = Literal["chat", "embedding", "score"]
Device = Literal["cuda", "rocm", "cpu"]
SYNTHETIC = "synthetic"
# vllm/config/lora.py: ranks that buffers can be made for.
Rank = Literal[1, 8, 16, 32, 64, 128, 256, 320, 512]
_LARGEST_RANK: Final = 512


class ApiPrice(Model):
    """Price per million tokens of a hosted API, in the currency of the hosts' cost_per_hour."""

    input: float = Field(ge=0, allow_inf_nan=False, description="per million tokens of prompt")
    output: float = Field(ge=0, allow_inf_nan=False, description="per million tokens of answer")


def _adapter_source(value: str) -> str:
    # Only the oldest models of the hub have no owner, and none of them is an adapter.
    if not value.startswith(("/", ".")) and not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", value):
        msg = f"{value!r} is no adapter; write a hub id as in org/name, or a directory that starts with / or ."
        raise ValueError(msg)
    return value


class Adapter(Model):
    """A LoRA adapter of a model, served under a name of its own."""

    source: Annotated[str, AfterValidator(_adapter_source)] = Field(
        description="a hub id (org/name), or a directory on the host (starts with / or .)"
    )
    revision: str | None = Field(default=None, description="branch, tag or commit of the hub repository")
    rank: int | None = Field(
        default=None,
        ge=1,
        le=_LARGEST_RANK,
        description="its rank (r in adapter_config.json); without it lora_rank must be enough",
    )

    @property
    def is_local_directory(self) -> bool:
        """Whether `source` is a directory on the engine's host."""
        return self.source.startswith(("/", "."))


def _adapter(value: object) -> object:
    return {"source": value} if isinstance(value, str) else value


AdapterEntry = Annotated[Adapter, BeforeValidator(_adapter, json_schema_input_type=Adapter | str)]


class ModelServer(Model):
    """One model and how it is served; each replica becomes an engine of its own."""

    source: str = Field(
        description="a hub id (Qwen/Qwen3-1.7B), a directory on the host (starts with / or .), or synthetic: "
        "a tiny random model made on the spot"
    )
    revision: str | None = Field(default=None, description="branch, tag or commit of the hub repository")
    kind: Kind = Field(
        default="chat", description="chat, embedding, or score for rerankers (default chat: what most models are for)"
    )
    device: Device = Field(default="cuda", description="cuda, rocm or cpu (default cuda: most cards are NVIDIA's)")
    place: PlaceName | None = Field(default=None, description="host or group; without it any host that fits")
    gpus: tuple[str, ...] = Field(default=(), description="ids of the cards on that host; without them any that fit")
    tensor_parallel: int = Field(
        default=1,
        ge=1,
        le=64,
        description="cards that every layer is split over (default 1: splitting costs an exchange per layer)",
    )
    pipeline_parallel: int = Field(
        default=1,
        ge=1,
        le=64,
        description="groups of cards that the layers are dealt to (default 1: stages wait for each other)",
    )
    expert_parallel: bool = Field(
        default=False,
        description="spread whole experts over the cards instead of a slice of each (default off, as in vLLM)",
    )
    spread: Literal["none", "card", "host"] = Field(
        default="none",
        description="what replicas must not share: none, card or host (default none: small stacks have one host)",
    )
    memory_fraction: Fraction | Literal["auto"] = Field(
        default="auto",
        description="share of each card this engine may use, or auto: neighbours get the same number of "
        "full-length requests, and a lone engine all that its start survives (default auto: a card is there to be used)",
    )
    kv_cache: SizeBytes | None = Field(default=None, description="exact size of the KV cache per rank, as in 4GiB")
    kv_cache_dtype: str | None = Field(default=None, description="KV cache data type, as in fp8")
    cores: CpuSet | None = Field(default=None, description="cores of a CPU engine, as in 0-3")
    context: Annotated[int, Field(ge=16)] | Literal["auto"] | None = Field(
        default=None,
        description="longest prompt and answer together, in tokens; auto: the longest with which `users` requests "
        "fit; without it the model's own maximum, as vLLM does",
    )
    users: int = Field(
        default=1,
        ge=1,
        description="requests of the full context that must fit at once (default 1: what vLLM itself checks)",
    )
    max_sequences: int | None = Field(
        default=None, ge=1, description="requests that run at the same time; without it vLLM's default for the card"
    )
    max_batched_tokens: int | None = Field(
        default=None, ge=16, description="tokens of one step; without it vLLM's default for the card"
    )
    loras: int = Field(
        default=0,
        ge=0,
        le=64,
        description="LoRA adapters that are active at once (default 0: as many as adapters has; their buffers take memory)",
    )
    lora_rank: Rank = Field(
        default=16, description="largest rank of an adapter (default 16, as in vLLM; more where adapters says so)"
    )
    adapters: dict[Slug, AdapterEntry] = Field(
        default_factory=dict,
        description="LoRA adapters by the name they are served under: {source, revision, rank}, or the source alone",
    )
    tool_parser: str = Field(
        default="auto",
        description="vLLM's parser of tool calls, none, or auto (default auto: by the model's family where it is known)",
    )
    reasoning_parser: str = Field(
        default="auto",
        description="vLLM's parser of reasoning, none, or auto (default auto: by the model's family where it is known)",
    )
    dtype: str = Field(
        default="auto", description="weight data type, as in bfloat16 (default auto: config.json says it)"
    )
    quantization: str | None = Field(default=None, description="quantization method, when config.json doesn't say")
    replicas: int = Field(
        default=1,
        ge=1,
        le=32,
        description="engines with this model, behind one name (default 1: each takes its memory again)",
    )
    after: tuple[Slug, ...] = Field(default=(), description="models that must be healthy before this one starts")
    gated: bool = Field(
        default=False,
        description="the hub asks for a token (hearth:hfToken) before it gives the weights (default no: most models are open)",
    )
    memory: SizeBytes | None = Field(default=None, description="RAM limit of each engine's container, as in 8GiB")
    override: str | None = Field(
        default=None,
        min_length=8,
        description="reason to start the engine although the planner says no, as in: measured on 2026-10-01, starts",
    )
    api_price: ApiPrice | None = Field(
        default=None, description="what a hosted API asks for such a model: the plan shows when own cards pay off"
    )
    shm: SizeBytes | None = Field(default=None, description="size of /dev/shm; tensor parallel wants 10GiB or so")
    args: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="further vllm serve flags without the dashes; true is a flag without value, false its --no- form",
    )
    environment: dict[str, str] = Field(default_factory=dict, description="further environment variables")
    restart: Restart | None = Field(default=None, description="restart promise, when it differs from hearth:restart")

    @property
    def cards(self) -> int:
        """How many cards one engine takes."""
        return self.tensor_parallel * self.pipeline_parallel if self.device != "cpu" else 0

    @property
    def is_local_directory(self) -> bool:
        """Whether `source` is a directory on the engine's host."""
        return self.source.startswith(("/", "."))

    @property
    def is_from_hub(self) -> bool:
        """Whether the weights are downloaded from the model hub."""
        return self.source != SYNTHETIC and not self.is_local_directory

    @property
    def adapters_at_once(self) -> int:
        """How many adapters the engine has buffers for."""
        return self.loras or len(self.adapters)

    @property
    def largest_rank(self) -> Rank:
        """The rank that buffers are made for: the smallest of vLLM's that all adapters fit in."""
        wanted = max([self.lora_rank, *(adapter.rank or 0 for adapter in self.adapters.values())])
        ranks: tuple[Rank, ...] = get_args(Rank)
        return next(rank for rank in ranks if rank >= wanted)
