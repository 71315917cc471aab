"""A family's parsers are those that vLLM documents, and no version is given one that it doesn't have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.catalogue.flag_table import parser_names
from infra.catalogue.parsers import _FILE, Parsers, parsers_of
from infra.catalogue.versions import PINNED, parse_version

LLAMA_31 = "tool_chat_template_llama3.1_json.jinja"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("Qwen/Qwen3-8B", Parsers("hermes", "qwen3")),
        ("Qwen/Qwen3-30B-A3B-FP8", Parsers("hermes", "qwen3")),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", Parsers("hermes")),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", Parsers("qwen3_xml")),
        ("/models/Qwen2.5-Coder-7B-Instruct/", Parsers("hermes")),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", Parsers("llama3_json", "", LLAMA_31)),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", Parsers("llama3_json", "", LLAMA_31)),
        ("openai/gpt-oss-20b", Parsers("openai", "openai_gptoss")),
        ("zai-org/GLM-4.5-Air-FP8", Parsers("glm45", "glm45")),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", Parsers("", "deepseek_r1")),
    ],
)
def test_a_known_family_has_its_parsers(source: str, wanted: Parsers) -> None:
    assert parsers_of(source, PINNED) == wanted


@pytest.mark.parametrize(
    "source",
    [
        "Qwen/Qwen3-Embedding-0.6B",
        "Qwen/Qwen3-8B-Base",
        "Qwen/Qwen3-VL-8B-Instruct",
        "meta-llama/Llama-Guard-3-8B",
        "google/gemma-3-4b-it",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "org/something-new",
        "synthetic",
    ],
)
def test_what_is_not_known_gets_nothing(source: str) -> None:
    assert parsers_of(source, PINNED) == Parsers()


def test_an_older_version_gets_what_it_has() -> None:
    assert parsers_of("Qwen/Qwen3-Coder-30B-A3B-Instruct", "0.10.0").tool == "qwen3_coder"
    assert parsers_of("Qwen/Qwen3-Coder-30B-A3B-Instruct", "0.9.0").tool == ""
    assert parsers_of("openai/gpt-oss-20b", "0.10.1") == Parsers()
    assert parsers_of("Qwen/Qwen3-8B", "nightly").tool == "hermes"


def test_every_parser_of_the_catalogue_is_registered_in_the_pinned_version() -> None:
    version = parse_version(PINNED)
    assert version is not None
    families = json.loads(Path(_FILE).read_text(encoding="utf-8"))["families"]
    assert {name for family in families for name in family.get("tool", ())} <= set(parser_names("tool", version))
    reasoning = {name for family in families for name in family.get("reasoning", ())}
    assert reasoning <= set(parser_names("reasoning", version))
