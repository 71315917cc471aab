"""Checks what people write in the open maps of an engine: `vllm serve` flags and environment variables."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from infra.catalogue.flag_table import (
    Known,
    Option,
    Span,
    Version,
    environment_names,
    environment_span,
    find_option,
    is_newer_than_known,
    long_name,
    names_at,
    parser_names,
    version_text,
    versions,
)
from infra.catalogue.versions import parse_version
from infra.errors import Finding, Severity

Value = str | int | float | bool

# Flags that Hearth writes from a field of the model, or that change what the rest of the plan relies on.
_OWNED: Final = {
    "model": "write source instead",
    "served-model-name": "remove it: a model is served by its name in hearth:models",
    "host": "remove it: engines listen inside the stack's network only",
    "port": "remove it: every engine has an address of its own, so they share one port",
    "uds": "remove it: the gateway and the health check ask over TCP",
    "headless": "remove it: an engine without its API never gets healthy",
    "grpc": "remove it: the gateway and the health check speak HTTP",
    "config": "write its flags here, where they can be checked",
    "dtype": "write dtype of the model instead",
    "revision": "write revision of the model instead",
    "max-model-len": "write context of the model instead",
    "max-num-seqs": "write max_sequences of the model instead",
    "kv-cache-dtype": "write kv_cache_dtype of the model instead",
    "kv-cache-memory-bytes": "write kv_cache of the model instead",
    "gpu-memory-utilization": "write memory_fraction of the model instead",
    "quantization": "write quantization of the model instead",
    "tensor-parallel-size": "write tensor_parallel of the model instead",
    "pipeline-parallel-size": "write pipeline_parallel of the model instead",
    "enable-expert-parallel": "write expert_parallel of the model instead",
    "enable-lora": "write loras of the model instead: how many adapters are active at once",
    "max-loras": "write loras of the model instead",
    "max-lora-rank": "write lora_rank of the model instead",
    "data-parallel-size": "write replicas of the model instead: each gets cards of its own",
    "device-ids": "write gpus of the model instead",
    "runner": "write kind: embedding or kind: chat instead",
    "shutdown-timeout": "write restart: {timeout_stop: ...} instead; half of it is for requests in flight",
    "ssl-keyfile": "remove it: the gateway and the health check speak plain HTTP inside the stack's network",
    "ssl-certfile": "remove it: the gateway and the health check speak plain HTTP inside the stack's network",
}
_SECRET: Final = {
    "api-key": "remove it: engines ask for hearth:engineKey, which is set with `pulumi config set --secret`",
    "hf-token": "write gated: true, and set hearth:hfToken with `pulumi config set --secret`",
}
# What took the place of options that are gone; vllm's release notes and its current arg_utils.py.
_REPLACED: Final = {
    "swap-space": "remove it: since the V1 engine preempted requests are computed again, not swapped",
    "device": "write device of the model instead: the image decides",
    "task": "write kind: embedding, or add convert: embed or classify",
    "num-scheduler-steps": "remove it: async-scheduling is on where it can be",
    "multi-step-stream-outputs": "remove it: multi-step scheduling is gone",
    "use-v2-block-manager": "remove it: there is only one block manager",
    "guided-decoding-backend": "write structured-outputs-config.backend",
    "guided-decoding-disable-fallback": "remove it: there is no fallback any more",
    "guided-decoding-disable-any-whitespace": "write structured-outputs-config.disable_any_whitespace",
    "guided-decoding-disable-additional-properties": "write structured-outputs-config.disable_additional_properties",
    "enable-reasoning": "remove it: reasoning-parser alone turns it on",
    "rope-scaling": "write hf-overrides: '{\"rope_parameters\": {...}}'",
    "rope-theta": 'write hf-overrides: \'{"rope_parameters": {"rope_theta": ...}}\'',
    "disable-frontend-multiprocessing": "remove it: VLLM_ENABLE_V1_MULTIPROCESSING in environment decides",
    "disable-log-requests": "remove it: requests are logged with enable-log-requests only",
    "max-seq-len-to-capture": "write max-cudagraph-capture-size",
    "max-context-len-to-capture": "write max-cudagraph-capture-size",
    "cuda-graph-sizes": "write compilation-config.cudagraph_capture_sizes",
    "disable-mm-preprocessor-cache": "write mm-processor-cache-gb: 0",
    "enable-multimodal-encoder-data-parallel": "write mm-encoder-tp-mode: data",
    "override-pooler-config": "write pooler-config",
    "num-redundant-experts": "write eplb-config.num_redundant_experts",
    "eplb-window-size": "write eplb-config.window_size",
    "eplb-step-interval": "write eplb-config.step_interval",
    "eplb-log-balancedness": "write eplb-config.log_balancedness",
    "speculative-model": "write speculative-config.model",
    "num-speculative-tokens": "write speculative-config.num_speculative_tokens",
    "worker-use-ray": "write distributed-executor-backend: ray",
    "override-neuron-config": "write additional-config",
}
_OWNED_ENVIRONMENT: Final = {
    "CUDA_VISIBLE_DEVICES": "write gpus of the model instead",
    "NVIDIA_VISIBLE_DEVICES": "write gpus of the model instead",
    "ROCR_VISIBLE_DEVICES": "write gpus of the model instead",
    "HIP_VISIBLE_DEVICES": "write gpus of the model instead",
    "VLLM_CPU_KVCACHE_SPACE": "write kv_cache of the model instead",
    "VLLM_PORT": "remove it: it is for the ports between an engine's own processes",
}
_SECRET_ENVIRONMENT: Final = {
    "HF_TOKEN": _SECRET["hf-token"],
    "HUGGING_FACE_HUB_TOKEN": _SECRET["hf-token"],
    "VLLM_API_KEY": _SECRET["api-key"],
}
_SECRET_NAME: Final = re.compile(r".*(_TOKEN|API_KEY|_SECRET|_PASSWORD|SECRET_ACCESS_KEY)")
# argparse needs the one for the other: validate_parsed_serve_args of vllm's cli_args.py.
_NEEDS: Final = {"enable-auto-tool-choice": "tool-call-parser", "enable-log-outputs": "enable-log-requests"}
_PARSERS: Final = {
    "tool-call-parser": ("tool", "tool-parser-plugin"),
    "reasoning-parser": ("reasoning", "reasoning-parser-plugin"),
}


class FlagProblem(NamedTuple):
    """What is wrong with one flag or variable. A warning is for what this catalogue can't know for sure."""

    flag: str
    problem: str
    fix: str
    severity: Severity = Severity.ERROR


def check_args(args: Mapping[str, Value], version: str) -> list[FlagProblem]:
    """Check flags (without dashes) as `vllm serve` of that version would; no finding holds a secret's value.

    A version that is no number (nightly) or newer than the newest known one makes unknown names doubtful only.
    """
    number = _number(version)
    found = [problem for flag, value in args.items() if (problem := _check(flag, value, number, args)) is not None]
    return found + _together(args, number)


def check_environment(environment: Mapping[str, str], version: str) -> list[FlagProblem]:
    """Check the names of environment variables: secrets, what the plan decides, and names that vLLM doesn't read."""
    number = _number(version)
    return [problem for name in environment if (problem := _check_variable(name, number)) is not None]


def check_value(flag: str, value: Value, version: str) -> FlagProblem | None:
    """Check what a field of Hearth's own hands to vLLM, as kv_cache_dtype does to kv-cache-dtype."""
    number = _number(version)
    found = find_option(flag, number)
    return None if found is None else _value(flag, found[0], value, number, {}, opposite=False)


def has_flag(flag: str, version: str) -> bool:
    """Whether vLLM of that version surely takes a flag; of one that is no number (nightly) nobody knows."""
    number, found = parse_version(version), find_option(flag, _number(version))
    return number is not None and found is not None and found[0].span.at(number) is Known.YES


def findings_for(path: str, args: Mapping[str, Value], environment: Mapping[str, str], version: str) -> list[Finding]:
    """Return both checks as findings below `path` (`hearth:models.coder`, `hearth:engines`)."""
    groups = (("args", check_args(args, version)), ("environment", check_environment(environment, version)))
    return [
        Finding(f"{path}.{group}.{problem.flag}", problem.problem, problem.fix, problem.severity)
        for group, problems in groups
        for problem in problems
    ]


def _check(flag: str, value: Value, version: Version, args: Mapping[str, Value]) -> FlagProblem | None:
    if flag.startswith("-"):
        return FlagProblem(flag, "starts with a dash", f"write {flag.lstrip('-') or 'a name'}, the dashes are added")
    head, dot, _ = flag.partition(".")
    found = find_option(head.replace("_", "-"), version)
    if found is None:
        return _unknown(flag, head.replace("_", "-"), version)
    option, opposite = found
    reserved = _reserved(flag, option.name)
    if reserved is not None:
        return reserved
    absent = _absent(flag, option.name, option.span, version)
    if absent is not None:
        return absent
    return _dotted(flag, option, value) if dot else _value(flag, option, value, version, args, opposite=opposite)


def _unknown(flag: str, name: str, version: Version) -> FlagProblem:
    full = long_name(name)
    if full is not None:
        reserved = _OWNED.get(full)
        return FlagProblem(flag, f"is the short form of {full}", reserved or f"write {full}")
    doubtful = is_newer_than_known(version) or version < versions()[0]
    problem = f"is no option of vLLM {_named(version)}" + (" as far as is known here" if doubtful else "")
    severity = Severity.WARNING if doubtful else Severity.ERROR
    return FlagProblem(flag, problem, _nearest(name, names_at(min(version, versions()[-1]))), severity)


def _reserved(flag: str, name: str) -> FlagProblem | None:
    if name in _SECRET:
        return FlagProblem(flag, "puts a secret into the list of running programs and into the state", _SECRET[name])
    if name in _OWNED:
        return FlagProblem(flag, "is decided by the plan", _OWNED[name])
    return None


def _absent(flag: str, name: str, span: Span, version: Version) -> FlagProblem | None:
    known = span.at(version)
    if known is Known.GONE:
        fix = _REPLACED.get(name, "remove it, or pin an image of an older version")
        return FlagProblem(
            flag, f"is gone: {span.last} was the last version seen with it, this is {_named(version)}", fix
        )
    if known is Known.NOT_YET:
        older = _older_name(flag, version)
        fix = f"{f'write {older}' if older else 'remove it'}, or pin an image of {span.first} or newer"
        return FlagProblem(flag, f"is new in {span.first}, this is {_named(version)}", fix)
    if known is Known.DOUBTFUL:
        seen = f"seen from {span.first} to {span.last}"
        return FlagProblem(
            flag, f"may be missing in {_named(version)}: {seen}", "try it, or remove it", Severity.WARNING
        )
    return None


def _older_name(flag: str, version: Version) -> str | None:
    """Return what an option was called in a version that doesn't have it yet; None when nothing is known."""
    for name, fix in _REPLACED.items():
        newer = fix.removeprefix("write ").partition(":")[0]
        found = find_option(name, version) if newer.replace("_", "-") == flag.replace("_", "-") else None
        if found is not None and found[0].span.at(version) is Known.YES:
            return name
    return None


def _value(
    flag: str, option: Option, value: Value, version: Version, args: Mapping[str, Value], *, opposite: bool
) -> FlagProblem | None:
    if isinstance(value, bool) or option.type == "switch":
        return _switch(flag, option, value, opposite=opposite)
    text = _text(value)
    if not option.accepts(text, version):
        doubtful = option.type == "choice" and is_newer_than_known(version)
        severity = Severity.WARNING if doubtful else Severity.ERROR
        close = [] if text.isdigit() else difflib.get_close_matches(text, option.choices, n=1)
        fix = f"did you mean {close[0]}" if close else option.wanted
        return FlagProblem(flag, f"can't be {value!r} in vLLM {_named(version)}", fix, severity)
    return _parser(flag, option.name, text, version, args)


def _switch(flag: str, option: Option, value: Value, *, opposite: bool) -> FlagProblem | None:
    if not isinstance(value, bool):
        return FlagProblem(flag, f"is a switch and takes no value (it is {value!r})", option.wanted)
    if option.type != "switch":
        return FlagProblem(flag, f"takes a value, {str(value).lower()} is none", option.wanted)
    if value is False and opposite:
        return FlagProblem(flag, "says no twice", f"write {option.name}: true")
    if value is False and not option.negatable:
        return FlagProblem(flag, "has no opposite, so it can't be false", "remove it: without it, it is off")
    return None


def _dotted(flag: str, option: Option, value: Value) -> FlagProblem | None:
    if option.type != "json":
        return FlagProblem(flag, f"has a dot, but {option.name} is no JSON option", f"write {option.name}")
    if "" in flag.removesuffix("+").split("."):
        return FlagProblem(flag, "has an empty part", f"write {option.name}.key")
    if isinstance(value, bool):
        # A bare --x.y would take the next flag for its value.
        return FlagProblem(flag, "takes a value, a switch has none", f'write "{str(value).lower()}", in quotes')
    return None


def _parser(flag: str, name: str, text: str, version: Version, args: Mapping[str, Value]) -> FlagProblem | None:
    if name not in _PARSERS or is_newer_than_known(version) or not text:
        return None
    kind, plugin = _PARSERS[name]
    known = parser_names("tool" if kind == "tool" else "reasoning", version)
    if text in known or (kind == "reasoning" and text == "none") or plugin in _plain(args):
        return None
    return FlagProblem(flag, f"no {kind} parser of vLLM {_named(version)} is named {text!r}", _nearest(text, known))


def _together(args: Mapping[str, Value], version: Version) -> list[FlagProblem]:
    found = []
    plain = _plain(args)
    for flag, needed in _NEEDS.items():
        if plain.get(flag) is True and not plain.get(needed):
            found.append(FlagProblem(flag, f"needs {needed}", f"add {needed}"))
    seen: dict[str, str] = {}
    for flag in args:
        option = find_option(flag.replace("_", "-"), version) if "." not in flag else None
        other = seen.setdefault(option[0].name, flag) if option is not None else flag
        if other != flag:
            found.append(FlagProblem(flag, f"is the same option as {other}", "remove one of them"))
    return found


def _check_variable(name: str, version: Version) -> FlagProblem | None:
    if name in _SECRET_ENVIRONMENT:
        return FlagProblem(name, "is a secret in plain text, and would be in the state", _SECRET_ENVIRONMENT[name])
    if name in _OWNED_ENVIRONMENT:
        return FlagProblem(name, "is decided by the plan", _OWNED_ENVIRONMENT[name])
    if not name.startswith("VLLM_"):
        if _SECRET_NAME.fullmatch(name):
            fix = "put it into a file of the engine's host, or into the image"
            return FlagProblem(
                name, "looks like a secret in plain text, and will be in the state", fix, Severity.WARNING
            )
        return None
    return _vllm_variable(name, version)


def _vllm_variable(name: str, version: Version) -> FlagProblem | None:
    span = environment_span(name)
    if span is None:
        fix = _nearest(name, environment_names(min(version, versions()[-1])))
        return FlagProblem(name, f"is not read by vLLM {_named(version)}", fix, Severity.WARNING)
    known = span.at(version)
    if known is Known.GONE:
        problem = f"is not read any more: {span.last} was the last version seen with it, this is {_named(version)}"
        return FlagProblem(name, problem, "remove it", Severity.WARNING)
    if known is Known.NOT_YET:
        problem = f"is new in {span.first}, this is {_named(version)}"
        return FlagProblem(name, problem, f"remove it, or pin an image of {span.first} or newer", Severity.WARNING)
    return None


def _plain(args: Mapping[str, Value]) -> dict[str, Value]:
    return {flag.replace("_", "-"): value for flag, value in args.items()}


def _number(version: str) -> Version:
    # Behind every known version: nothing can be said for sure.
    return parse_version(version) or (10**6,)


def _named(version: Version) -> str:
    return version_text(version) if version < (10**6,) else "of unknown version"


def _text(value: Value) -> str:
    """Write a value as it stands on the command line."""
    return f"{value:g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}" if close else "remove it; the versions' documentation lists what there is"
