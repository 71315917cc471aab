"""What is fetched from the hub before engines start: one step per host and model, however many engines share it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.config.models import ModelServer
from infra.config.schema import StackConfig
from infra.plan.plan import Placement, Plan

# HF_HOME of every engine and of what fetches for them.
HUB_HOME: Final = "/root/.cache/huggingface"
_MAIN: Final = "main"
_HUB_ID: Final = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)?")
_DRAFT_ID: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
# Which weights of a repository --load-format reads; what isn't here leaves the choice to the fetcher.
_WEIGHTS: Final = {
    "mistral": "consolidated*.safetensors",
    "hf": "hf",
    "safetensors": "*.safetensors",
    "pt": "*.pt",
    "npcache": "*.bin",
    "dummy": "none",
}
_CONFIGURATION_ONLY: Final = "none"


@dataclass(frozen=True)
class HubFiles:
    """What is wanted of one repository, in the words of infra/services/assets/fetcher/hub_cache.py."""

    id: str
    revision: str
    path: str
    weights: str = "auto"
    rank: int | None = None

    @property
    def link(self) -> str:
        """Name of the link to its snapshot, below hearth/ of the hub cache."""
        return f"{self.id}@{self.revision}".replace("/", "--")


@dataclass(frozen=True)
class Fetch:
    """One step: `models` are those that wait for it, the first gives it its name and its image."""

    instance: str
    host: str
    models: tuple[str, ...]
    files: tuple[HubFiles, ...]
    is_gated: bool
    estimate_s: float


def is_fetched(model: ModelServer) -> bool:
    """Whether the model's weights are fetched beforehand.

    Other schemes (s3://), a quantization behind a colon, and ModelScope's hub are vLLM's own to read; with a cache of
    their own choice people keep it themselves.
    """
    elsewhere = model.environment.get("VLLM_USE_MODELSCOPE", "").lower() in {"1", "true"}
    elsewhere = elsewhere or any(name in model.environment for name in ("HF_HOME", "HF_HUB_CACHE"))
    return model.is_from_hub and _HUB_ID.fullmatch(model.source) is not None and not elsewhere


def fetches(config: StackConfig, plan: Plan) -> tuple[Fetch, ...]:
    """Return every step, by host and name."""
    groups: dict[tuple[str, str | None], dict[str, list[Placement]]] = {}
    for placement in plan.placements:
        model = config.models[placement.model]
        if is_fetched(model):
            hosts = groups.setdefault((model.source, model.revision), {})
            hosts.setdefault(placement.host, []).append(placement)
    return tuple(
        _step(config, hosts[host], number if len(hosts) > 1 else None)
        for hosts in groups.values()
        for number, host in enumerate(sorted(hosts))
    )


def fetch_of(config: StackConfig, plan: Plan, placement: Placement) -> str | None:
    """Return the instance of the step that an engine waits for; None where nothing is fetched for it."""
    steps = (step for step in fetches(config, plan) if step.host == placement.host and placement.model in step.models)
    return next((step.instance for step in steps), None)


def adapter_files(name: str, model: ModelServer, adapter: str) -> HubFiles:
    """Return what is wanted of an adapter's repository."""
    written = model.adapters[adapter]
    path = f"hearth:models.{name}.adapters.{adapter}"
    return HubFiles(written.source, written.revision or _MAIN, path, rank=model.largest_rank)


def _step(config: StackConfig, placements: list[Placement], number: int | None) -> Fetch:
    names = tuple(dict.fromkeys(placement.model for placement in placements))
    files: dict[tuple[str, str], HubFiles] = {}
    for name in names:
        for wanted in _files(name, config.models[name]):
            files.setdefault((wanted.id, wanted.revision), wanted)
    return Fetch(
        instance=f"prefetch-{names[0]}" + ("" if number is None else f"-{number}"),
        host=placements[0].host,
        models=names,
        files=tuple(files.values()),
        is_gated=any(config.models[name].gated for name in names),
        estimate_s=max(placement.start.download_s for placement in placements),
    )


def _files(name: str, model: ModelServer) -> list[HubFiles]:
    """Return everything that the engine would look for on the hub: offline it must be in the cache."""
    args = {flag.replace("_", "-"): value for flag, value in model.args.items()}
    path = f"hearth:models.{name}"
    weights = _WEIGHTS.get(str(args.get("load-format")), "auto")
    found = [HubFiles(model.source, model.revision or _MAIN, path, weights)]
    found += [
        adapter_files(name, model, adapter)
        for adapter, written in model.adapters.items()
        if not written.is_local_directory
    ]
    tokenizer = args.get("tokenizer")
    if isinstance(tokenizer, str) and _HUB_ID.fullmatch(tokenizer):
        revision = str(args.get("tokenizer-revision") or _MAIN)
        found.append(HubFiles(tokenizer, revision, f"{path}.args.tokenizer", _CONFIGURATION_ONLY))
    configuration = args.get("hf-config-path")
    if isinstance(configuration, str) and _HUB_ID.fullmatch(configuration):
        found.append(HubFiles(configuration, _MAIN, f"{path}.args.hf-config-path", _CONFIGURATION_ONLY))
    draft = _speculative(args)
    if _DRAFT_ID.fullmatch(draft.get("model", "")):
        found.append(HubFiles(draft["model"], draft.get("revision", _MAIN), f"{path}.args.speculative-config"))
    return found


def _speculative(args: Mapping[str, object]) -> dict[str, str]:
    """Return what speculative-config says, written as JSON or with dots."""
    written = args.get("speculative-config")
    try:
        whole = json.loads(written) if isinstance(written, str) else {}
    except ValueError:
        whole = {}
    found = {str(key): str(value) for key, value in whole.items()} if isinstance(whole, dict) else {}
    start = "speculative-config."
    return found | {flag.removeprefix(start): str(value) for flag, value in args.items() if flag.startswith(start)}
