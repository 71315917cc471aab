"""An engine of a compose project as an entry of hearth:models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from infra.adopt.command_line import CommandLine, Value, read_command_line
from infra.adopt.engine_cards import cards_of
from infra.adopt.roles import device_of
from infra.adopt.service import Service
from infra.adopt.told import Told, is_secret, shown
from infra.catalogue.flag_table import environment_span, versions
from infra.catalogue.flags import FlagProblem, check_args, check_environment
from infra.catalogue.models import find_model
from infra.catalogue.parsers import parsers_of
from infra.catalogue.versions import PINNED, parse_version
from infra.config.types import is_slug
from infra.errors import Severity

Entry = dict[str, Any]
# Flags that are fields of a model, and what vLLM does without them.
_FIELDS: Final[Mapping[str, tuple[str, Any]]] = {
    "revision": ("revision", None),
    "dtype": ("dtype", "auto"),
    "max-model-len": ("context", None),
    "max-num-seqs": ("max_sequences", None),
    "max-num-batched-tokens": ("max_batched_tokens", None),
    "kv-cache-dtype": ("kv_cache_dtype", "auto"),
    "quantization": ("quantization", None),
    "tensor-parallel-size": ("tensor_parallel", 1),
    "pipeline-parallel-size": ("pipeline_parallel", 1),
    "enable-expert-parallel": ("expert_parallel", False),
    "max-loras": ("loras", None),
    "max-lora-rank": ("lora_rank", 16),
    "tool-call-parser": ("tool_parser", None),
    "reasoning-parser": ("reasoning_parser", None),
    "data-parallel-size": ("replicas", 1),
}
# Flags whose place is a field above or below, and those that Hearth decides.
_DECIDED: Final = ("host", "port", "uds", "device", "download-dir")
_IMPLIED: Final = frozenset(
    {"host", "port", "uds", "served-model-name", "enable-auto-tool-choice", "enable-reasoning", "enable-lora", "lora-modules",
     "gpu-memory-utilization", "kv-cache-memory-bytes", "task", "runner", "api-key", "hf-token", "device",
     "download-dir"}
)  # fmt: skip
# Variables that Hearth sets itself, or that say what fields of the model say.
_SET_BY_HEARTH: Final = frozenset(
    {"HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
     "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "CUDA_DEVICE_ORDER",
     "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "VLLM_CPU_KVCACHE_SPACE",
     "VLLM_CPU_OMP_THREADS_BIND", "PYTHONUNBUFFERED", "VLLM_PORT", "VLLM_HOST_IP"}
)  # fmt: skip
_TOKENS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN")
_SNAPSHOT: Final = re.compile(r".*/models--([\w.-]+?)--([\w.-]+)/snapshots/([0-9a-f]{7,40})/?")
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")
_CORES: Final = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_SECRET_FLAG: Final = re.compile(r"(api-key|hf-token|password|secret|-token)$")
_POOLING: Final = {
    "embed": "embedding",
    "embedding": "embedding",
    "score": "score",
    "rerank": "score",
    "classify": "score",
}
_KINDS: Final = {"embedding": "embedding", "reranker": "score"}
_LONGEST: Final = 40
V = TypeVar("V", bound=Value)


@dataclass(frozen=True)
class Engine:
    """One engine: its entry without a name, the names that clients ask it for, and how large it is at the daemon's."""

    service: Service
    entry: Entry
    asked: tuple[str, ...]
    device: str
    line: CommandLine
    models: frozenset[str] = field(default=frozenset())

    def with_entry(self, **more: Any) -> Engine:
        """Return it with further fields."""
        return replace(self, entry={**self.entry, **more})


def version_of(service: Service) -> str:
    """Return the version of vLLM in an image, by its tag; the pinned one where the tag has none."""
    match = re.search(r"\d+\.\d+(\.\d+)?(\.post\d+)?", service.tag)
    return match[0] if match is not None and parse_version(match[0]) is not None else PINNED


def engine_of(service: Service, version: str, card_ids: Mapping[str, str], told: Told) -> Engine:
    """Return a vLLM container as an entry; `card_ids` are the inventory's names of cards by their number."""
    line = read_command_line(service.argv, parse_version(version) or versions()[-1])
    device = device_of(service)
    entry: Entry = {**_source(service, line, told)}
    kind = _kind(line, str(entry["source"]))
    entry |= {"kind": kind} if kind != "chat" else {}
    entry |= {"device": device} if device != "cuda" else {}
    entry |= _fields(line)
    if device != "cpu":
        entry |= _fraction(line) | cards_of(service, entry, card_ids, told)
    else:
        for name in {"tensor_parallel", "pipeline_parallel", "replicas"} & entry.keys():
            told.no_place(service.name, f"{name} {entry.pop(name)}: CPU engines of Hearth have one rank")
    entry |= _cpu(service, device, told) | _limits(service, told) | _adapters(service, line, told)
    _tell_parsers(service, entry, version, told)
    entry |= _secrets(service, line, told)
    args = _args(service, line, version, told)
    environment = _environment(service, version, told)
    entry |= ({"args": args} if args else {}) | ({"environment": environment} if environment else {})
    if line.rest:
        # Not repeated: a second value behind --api-key is one of them.
        told.no_place(service.name, f"{len(line.rest)} words of its command, which belong to no flag")
    named = line.flags.get("served-model-name")
    asked = (named if isinstance(named, tuple) else (str(named),)) if named else (line.model or str(entry["source"]),)
    return Engine(service, entry, asked, device, line, frozenset({*asked, str(line.model)}))


def name_for(engine: Engine, wanted: Sequence[str], taken: frozenset[str]) -> str:
    """Return a free name below hearth:models: what clients ask for where that can be a name, else one made of it."""
    stem = re.sub(r"^vllm[-_]?|[-_]?vllm$", "", engine.service.name)
    candidates = [*wanted, *engine.asked[:1], stem, str(engine.entry["source"]).rstrip("/").rpartition("/")[2]]
    fitting = [one for one in (*wanted, *engine.asked, stem) if is_slug(one)]
    first = fitting[0] if fitting else next((made for one in candidates if (made := slug(one))), "model")
    name, number = first, 2
    while name in taken:
        name, number = f"{first[: _LONGEST - 3]}-{number}", number + 1
    return name


def slug(text: str) -> str:
    """Return a text as a name of a model: small letters, digits and dashes."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.rpartition("/")[2].lower()).lstrip("-0123456789")
    return plain[:_LONGEST].strip("-")


def _source(service: Service, line: CommandLine, told: Told) -> Entry:
    text = _VARIABLE.sub(lambda match: service.environment.get(match[1], ""), line.model or "")
    if not text:
        return {"source": ""}
    snapshot = _SNAPSHOT.fullmatch(text)
    if snapshot is not None:
        return {"source": f"{snapshot[1]}/{snapshot[2]}", "revision": snapshot[3]}
    if not text.startswith(("/", ".")):
        return {"source": text}
    mount = service.mount_at(text)
    path = service.host_path(text)
    if path is not None:
        return {"source": str(path)}
    if mount is not None and mount.kind == "volume":
        inside = text[len(mount.target) :]
        told.change(
            service.name,
            f"its model lies in the volume {mount.source}: the declaration reads it where the daemon keeps it; copy it into a "
            "directory of your own before that volume is removed",
        )
        return {"source": f"/var/lib/docker/volumes/{mount.source}/_data{inside}"}
    told.no_place(
        service.name, f"its model {text} is in no mounted directory: it is in the image; name a directory of the host"
    )
    return {"source": text}


def _kind(line: CommandLine, source: str) -> str:
    task = str(line.flags.get("task", ""))
    if task in _POOLING:
        return _POOLING[task]
    known = find_model(source)
    by_model = _KINDS.get(known.kind, "chat") if known is not None else "chat"
    if line.flags.get("runner") == "pooling" and by_model == "chat":
        return "embedding"
    return by_model if task in {"", "auto"} else "chat"


def _fields(line: CommandLine) -> Entry:
    found: Entry = {}
    for flag, (name, default) in _FIELDS.items():
        value = line.flags.get(flag)
        if value is not None and value != default:
            found[name] = value
    if found.get("context") == -1:
        found["context"] = "auto"
    exact = line.flags.get("kv-cache-memory-bytes")
    return found | ({"kv_cache": f"{exact}B"} if isinstance(exact, int) else {})


def _fraction(line: CommandLine) -> Entry:
    value = line.flags.get("gpu-memory-utilization")
    return {"memory_fraction": value} if value is not None else {}


def _cpu(service: Service, device: str, told: Told) -> Entry:
    if device != "cpu":
        if service.cpu_set:
            told.no_place(service.name, f"cpuset {service.cpu_set}: Hearth binds CPU engines only to cores")
        return {}
    space = service.environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    bound = service.environment.get("VLLM_CPU_OMP_THREADS_BIND", "")
    cores = bound if _CORES.fullmatch(bound) else service.cpu_set
    if bound and not _CORES.fullmatch(bound) and bound not in {"all", "auto", "nobind"}:
        told.no_place(
            service.name, f"VLLM_CPU_OMP_THREADS_BIND {bound}: cores of several ranks; Hearth's CPU engines have one"
        )
    has_space = space.isdigit() and int(space) > 0
    return ({"kv_cache": f"{space}GiB"} if has_space else {}) | ({"cores": cores} if cores else {})


def _limits(service: Service, told: Told) -> Entry:
    found: Entry = {}
    if service.memory_bytes:
        found["memory"] = sized(service.memory_bytes)
    if service.shm_bytes:
        found["shm"] = sized(service.shm_bytes)
    elif service.keys.get("ipc") == "host":
        told.change(service.name, "ipc: host is left: its ranks share a namespace and a /dev/shm of their own (shm:)")
    return found


def sized(size: int) -> str:
    """Return bytes in the largest unit of Hearth's that is whole."""
    for unit, power in (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size % 2**power == 0:
            return f"{size >> power}{unit}"
    return f"{size}B"


def _adapters(service: Service, line: CommandLine, told: Told) -> Entry:
    modules = line.flags.get("lora-modules")
    found: Entry = {}
    for text in modules if isinstance(modules, tuple) else ():
        name, _, path = text.partition("=")
        if not path:
            told.no_place(
                service.name, f"the adapter {shown(text)}: write it as adapters: {{name: source}} of the model"
            )
            continue
        host = service.host_path(path) if path.startswith("/") else None
        found[slug(name) or "adapter"] = str(host or path)
        if slug(name) != name:
            told.change(service.name, f"clients ask for the adapter {slug(name)} instead of {name}")
    if found:
        return {"adapters": found}
    return {"loras": 1} if line.flags.get("enable-lora") is True and "max-loras" not in line.flags else {}


def _tell_parsers(service: Service, entry: Entry, version: str, told: Told) -> None:
    """Without a word of them, Hearth chooses parsers by the model's family: that is told, not prevented."""
    known = parsers_of(str(entry["source"]), version)
    for key, name in (("tool_parser", known.tool), ("reasoning_parser", known.reasoning)):
        if key not in entry and name and entry.get("kind", "chat") == "chat":
            told.change(
                service.name, f"{key} is {name}, by the model's family; today there is none ({key}: none keeps that)"
            )


def _secrets(service: Service, line: CommandLine, told: Told) -> Entry:
    key = line.flags.get("api-key")
    if key is not None:
        texts = key if isinstance(key, tuple) else (str(key),)
        variable = _VARIABLE.fullmatch(texts[0])
        told.secret("engineKey", service, variable[1] if variable else "command", None if variable else texts[0])
    elif "VLLM_API_KEY" in service.environment:
        told.secret("engineKey", service, "VLLM_API_KEY")
    token = next((name for name in _TOKENS if service.environment.get(name)), None)
    if token is None:
        return {}
    told.secret("hfToken", service, token)
    return {"gated": True}


def _args(service: Service, line: CommandLine, version: str, told: Told) -> dict[str, Value]:
    args: dict[str, Value] = {}
    decided = [f"--{flag}" for flag in _DECIDED if flag in line.flags]
    if decided:
        told.change(service.name, f"{', '.join(decided)}: decided by Hearth")
    for flag, value in line.flags.items():
        if flag in _FIELDS or flag in _IMPLIED:
            continue
        if _SECRET_FLAG.search(flag) or is_secret("", value):
            told.no_place(service.name, f"--{flag}: its value looks like a secret, which would be in the state")
        elif isinstance(value, tuple):
            if len(value) == 1:
                args[flag] = value[0]
            else:
                told.no_place(service.name, f"--{flag}: it has {len(value)} values, an entry of args has one")
        elif isinstance(value, str) and value.startswith("/") and service.mount_at(value) is not None:
            told.no_place(
                service.name, f"--{flag} {value}: a mounted file; engines of Hearth have none beside their model"
            )
        else:
            args[flag] = value
    return _without_wrong(args, check_args(args, version), "--", service, told)


def _environment(service: Service, version: str, told: Told) -> dict[str, str]:
    wanted: dict[str, str] = {}
    decided = sorted(_SET_BY_HEARTH & service.environment.keys())
    if decided:
        told.change(service.name, f"{', '.join(decided)}: set by Hearth, from fields of the model where they have one")
    for name, value in service.environment.items():
        if name in _SET_BY_HEARTH or name in _TOKENS or name == "VLLM_API_KEY":
            continue
        if environment_span(name) is None and is_secret(name, value):
            told.no_place(service.name, f"{name}: it looks like a secret, and would be in the state")
        elif name != "HF_ENDPOINT":
            wanted[name] = value
    return _without_wrong(wanted, check_environment(wanted, version), "", service, told)


def _without_wrong(
    given: dict[str, V], problems: Sequence[FlagProblem], dashes: str, service: Service, told: Told
) -> dict[str, V]:
    """Leave out what Hearth would refuse, and say why."""
    wrong = {one.flag: one for one in problems if one.severity is Severity.ERROR}
    for flag, problem in wrong.items():
        told.no_place(service.name, f"{dashes}{flag} {problem.problem}: {problem.fix}")
    return {flag: value for flag, value in given.items() if flag not in wrong}
