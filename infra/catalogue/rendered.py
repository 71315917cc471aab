"""Checks what Hearth itself writes for an engine: a stack may run an image older or newer than the pinned one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from infra.catalogue.flag_table import Known, Option, Version, find_option, is_newer_than_known
from infra.catalogue.flags import Value, check_environment, check_value
from infra.catalogue.versions import parse_version
from infra.errors import Finding, Severity

_IMAGE: Final = "hearth:images.vllm"
# The model's field that a flag is written from, where it isn't the flag's own name.
_FIELDS: Final = {
    "max-model-len": "context",
    "max-num-seqs": "max_sequences",
    "max-num-batched-tokens": "max_batched_tokens",
    "gpu-memory-utilization": "memory_fraction",
    "kv-cache-memory-bytes": "kv_cache",
    "tensor-parallel-size": "tensor_parallel",
    "pipeline-parallel-size": "pipeline_parallel",
    "enable-expert-parallel": "expert_parallel",
    "enable-lora": "loras",
    "max-loras": "loras",
    "max-lora-rank": "lora_rank",
    "runner": "kind",
    "revision": "revision",
    "dtype": "dtype",
    "kv-cache-dtype": "kv_cache_dtype",
    "quantization": "quantization",
    "lora-modules": "adapters",
    "max-cpu-loras": "adapters",
    "enable-auto-tool-choice": "tool_parser",
    "tool-call-parser": "tool_parser",
    "reasoning-parser": "reasoning_parser",
}
# Written for every engine alike.
_SHARED: Final = {"shutdown-timeout": "restart.timeout_stop"}
# An engine without them still is what people asked for; without kind: embedding it isn't.
_CAN_GO: Final = frozenset(
    {"kv_cache", "expert_parallel", "loras", "revision", "max_batched_tokens", "tool_parser", "reasoning_parser"}
)
# What these fields may hold is said below the field itself, with everything else that people write.
_CHECKED_AS_FIELDS: Final = frozenset(
    {"dtype", "kv-cache-dtype", "quantization", "tool-call-parser", "reasoning-parser"}
)
_NEWEST: Final = (10**6,)


def flags_of(arguments: Iterable[str]) -> dict[str, Value]:
    """Return the flags of an argument vector as people write them: without dashes, true where no value follows."""
    flags: dict[str, Value] = {}
    last = ""
    for argument in arguments:
        if argument.startswith("--"):
            last, equals, value = argument.removeprefix("--").partition("=")
            flags[last] = value if equals else True
        elif flags.get(last) is True:
            flags[last] = argument
    return flags


def rendered_findings(
    model: str,
    flags: Mapping[str, Value],
    environment: Mapping[str, str],
    version: str,
    *,
    written: Collection[str] = (),
) -> list[Finding]:
    """Return what a version of vLLM doesn't take of the flags and variables that Hearth writes for a model.

    `written` are the model's fields that people wrote: a fix may ask to remove one of those.
    """
    number = parse_version(version) or _NEWEST
    found = [
        finding
        for flag, value in flags.items()
        if (finding := _finding(model, (flag, value), version, number, written)) is not None
    ]
    for problem in check_environment(environment, version):
        text = f"vLLM {version} doesn't read {problem.flag}, which Hearth sets for its engines"
        found.append(Finding(_IMAGE, text, "expect that it has no effect, or take another image", Severity.WARNING))
    return found


def _finding(
    model: str, flagged: tuple[str, Value], version: str, number: Version, written: Collection[str]
) -> Finding | None:
    flag, value = flagged
    known = find_option(flag, number)
    field = _FIELDS.get(flag)
    shared = f"from {_SHARED[flag]}" if flag in _SHARED else "for its engines"
    origin = f"from models.{model}.{field}" if field in written else shared
    if known is None:
        doubtful = Severity.WARNING if is_newer_than_known(number) else Severity.ERROR
        text = f"vLLM {version} doesn't know --{flag}, which Hearth writes {origin}"
        return Finding(_IMAGE, text, "take an image that knows it", doubtful)
    option, opposite = known
    state = option.span.at(number)
    if state is Known.YES:
        return None if opposite or flag in _CHECKED_AS_FIELDS else _value(model, flag, value, version, field)
    fix = _fix(option, state, field if field in written else None)
    if state is Known.DOUBTFUL:
        text = f"vLLM {version} may not know --{flag}, which Hearth writes {origin}"
        return Finding(_IMAGE, text, fix, Severity.WARNING)
    return Finding(_IMAGE, f"vLLM {version} doesn't know --{flag}, which Hearth writes {origin}", fix)


def _fix(option: Option, state: Known, field: str | None) -> str:
    other = f"{option.span.last} or older" if state is Known.GONE else f"{option.span.first} or newer"
    removed = f", or remove {field}" if field in _CAN_GO else ""
    return f"take an image of {other}{removed}"


def _value(model: str, flag: str, value: Value, version: str, field: str | None) -> Finding | None:
    problem = check_value(flag, value, version)
    if problem is None:
        return None
    path = f"hearth:models.{model}.{field}" if field is not None else _IMAGE
    return Finding(path, f"--{flag} {problem.problem}", problem.fix, problem.severity)
