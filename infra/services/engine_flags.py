"""Flags of an engine for LoRA adapters and for parsers, and where adapters lie in its container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from infra.catalogue.flags import has_flag
from infra.catalogue.parsers import parsers_of
from infra.config.models import SYNTHETIC, ModelServer
from infra.plan.fetching import HUB_HOME, adapter_files
from infra.services.base import Volume
from infra.services.engine_image import EXAMPLES, has_examples

Flag = str | int | float | bool
_ADAPTERS: Final = "/adapters"
_AUTO, _NONE = "auto", "none"


def adapter_flags(name: str, model: ModelServer, *, is_fetched: bool) -> dict[str, Flag | tuple[str, ...]]:
    """Return the flags of a model's adapters; without any, those of buffers for adapters that are loaded later."""
    if not model.adapters_at_once:
        return {}
    flags: dict[str, Flag | tuple[str, ...]] = {
        "enable-lora": True,
        "max-loras": model.adapters_at_once,
        "max-lora-rank": model.largest_rank,
    }
    if len(model.adapters) > model.adapters_at_once:
        # The others wait in RAM: without it, each change of adapter reads the disk.
        flags["max-cpu-loras"] = len(model.adapters)
    if model.adapters:
        flags["lora-modules"] = tuple(
            json.dumps(
                {
                    "name": adapter,
                    "path": _adapter_path(name, model, adapter, is_fetched=is_fetched),
                    "base_model_name": name,
                }
            )
            for adapter in sorted(model.adapters)
        )
    return flags


def adapter_volumes(model: ModelServer) -> tuple[Volume, ...]:
    """Return the mounts of adapters that lie on the host."""
    return tuple(
        Volume(f"adapter-{adapter}", f"{_ADAPTERS}/{adapter}", host_path=written.source, read_only=True)
        for adapter, written in sorted(model.adapters.items())
        if written.is_local_directory
    )


def _adapter_path(name: str, model: ModelServer, adapter: str, *, is_fetched: bool) -> str:
    written = model.adapters[adapter]
    if written.is_local_directory:
        return f"{_ADAPTERS}/{adapter}"
    # vLLM loads an adapter's hub id at main, whatever its revision: the fetched snapshot has the right one.
    return f"{HUB_HOME}/hearth/{adapter_files(name, model, adapter).link}" if is_fetched else written.source


def parser_flags(model: ModelServer, args: Mapping[str, Flag], image: str, version: str) -> dict[str, Flag]:
    """Return the flags of both parsers; what people wrote as flags themselves is theirs to complete."""
    if model.kind != "chat" or model.source == SYNTHETIC:
        return {}
    written = {flag.replace("_", "-") for flag in args}
    known = parsers_of(model.source, version)
    can_template = not known.template or has_examples(image) or "chat-template" in written
    flags: dict[str, Flag] = {}
    if not written & {"tool-call-parser", "enable-auto-tool-choice"}:
        automatic = known.tool if can_template else ""
        tool = automatic if model.tool_parser == _AUTO else model.tool_parser.replace(_NONE, "")
        if tool:
            flags |= {"enable-auto-tool-choice": True, "tool-call-parser": tool}
        if tool and tool == known.tool and known.template and has_examples(image):
            flags["chat-template"] = f"{EXAMPLES}/{known.template}"
    if "reasoning-parser" not in written:
        reasoning = known.reasoning if model.reasoning_parser == _AUTO else model.reasoning_parser.replace(_NONE, "")
        flags |= {"reasoning-parser": reasoning} if reasoning else {}
        # Until 0.9 the parser alone was an error.
        flags |= {"enable-reasoning": True} if reasoning and has_flag("enable-reasoning", version) else {}
    return flags
