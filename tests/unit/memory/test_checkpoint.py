"""Models found by name: exact, derived and unknown ones, and configurations of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.catalogue.models import all_models, find_model
from infra.memory.checkpoint import checkpoint_of
from infra.memory.parts import parameters

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
    "max_position_embeddings": 131072,
}


def test_every_catalogue_name_finds_itself_without_doubt() -> None:
    assert len(list(all_models())) > 200
    for name in all_models():
        facts = find_model(name)
        assert facts is not None
        assert (facts.name, facts.derived) == (name, False)


@pytest.mark.parametrize(
    ("name", "source", "method", "doubts"),
    [
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct", "none", 0),
        ("META-LLAMA/LLAMA-3.1-8B-INSTRUCT", "meta-llama/Llama-3.1-8B-Instruct", "none", 0),
        ("unsloth/Qwen3-4B-Base", "Qwen/Qwen3-4B-Base", "none", 0),
        ("Qwen/Qwen3.6-27B-FP8", "Qwen/Qwen3.6-27B", "fp8", 2),
        ("cyankiwi/gemma-4-26B-A4B-it-AWQ-INT4", "google/gemma-4-26B-A4B-it", "awq", 2),
        ("RedHatAI/Qwen2.5-7B-Instruct-quantized.w8a8", "Qwen/Qwen2.5-7B-Instruct", "int8", 2),
        ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", "nvidia/Qwen3.6-35B-A3B-NVFP4", "modelopt", 1),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "Qwen/Qwen2.5-7B-Instruct-AWQ", "awq", 0),
    ],
)
def test_a_name_finds_its_model_and_says_what_it_concluded(name: str, source: str, method: str, doubts: int) -> None:
    found = checkpoint_of(name)
    assert found.architecture is not None
    assert found.source == f"catalogue: {source}"
    assert found.quantization.method == method
    assert len(found.doubts) == doubts
    assert (found.weight_doubt > (0.0, 0.0)) is bool(doubts)


@pytest.mark.parametrize("name", ["acme/secret-7b", "gpt-4", "meta-llama/Llama-9-900B", "x"])
def test_an_unknown_name_is_unknown_and_says_what_to_do(name: str) -> None:
    found = checkpoint_of(name)
    assert found.architecture is None
    assert name in found.unknown
    assert "config.json" in found.unknown


def test_an_architecture_without_rules_is_unknown_not_guessed() -> None:
    found = checkpoint_of("deepseek-ai/DeepSeek-V4-Flash")
    assert found.architecture is None
    assert "DeepseekV4ForCausalLM" in found.unknown


def test_a_config_of_ones_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for name in (str(tmp_path), "config.json"):
        found = checkpoint_of(name, directory=tmp_path)
        assert found.architecture is not None
        assert parameters(found.architecture) == 1235814400
        assert found.doubts == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON"),
        ("{}", "no architecture"),
        (json.dumps({**CONFIG, "hidden_size": None}), "hidden_size"),
        (json.dumps({**CONFIG, "num_hidden_layers": "many"}), "no whole number"),
        (json.dumps({**CONFIG, "architectures": ["MyOwnForCausalLM"]}), "MyOwnForCausalLM"),
        (json.dumps({**CONFIG, "quantization_config": {"quant_method": "magic"}}), "magic"),
    ],
)
def test_a_config_that_tells_too_little_is_unknown(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    found = checkpoint_of(str(file))
    assert found.architecture is None
    assert says in found.unknown


def test_a_request_to_quantize_holds_for_16_bit_checkpoints_only() -> None:
    assert checkpoint_of("Qwen/Qwen3-8B", "fp8").quantization.method == "fp8"
    assert checkpoint_of("Qwen/Qwen2.5-7B-Instruct-AWQ", "fp8").quantization.method == "awq"


def test_patterns_that_name_all_experts_hold_for_each() -> None:
    widths = checkpoint_of("nvidia/Qwen3.6-35B-A3B-NVFP4").quantization
    assert widths.bits_of("3.mlp.experts.0.up_proj", is_expert=True) == 4.5
    assert widths.bits_of("3.self_attn.q_proj", is_expert=False) == 8
    assert widths.bits_of("3.mlp.gate", is_expert=False) == 16


def test_gpt_oss_keeps_16_bit_outside_its_experts() -> None:
    widths = checkpoint_of("openai/gpt-oss-20b").quantization
    assert widths.bits_of("0.mlp.experts.0.up_proj", is_expert=True) == 4.25
    assert widths.bits_of("0.self_attn.q_proj", is_expert=False) == 16
