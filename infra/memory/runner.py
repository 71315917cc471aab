"""Which model runner a version takes: since 0.22 a second one ("V2") serves more and more models, and it profiles otherwise.

Source: vllm/config/vllm.py (use_v2_model_runner and its list of architectures) of 0.22.1 to 0.33.0.
"""

from __future__ import annotations

from typing import Final

from infra.memory.architecture import Architecture

# From this version on: these architectures, whether quantized and mixture-of-experts ones are among them.
_QWEN3: Final = frozenset({"Qwen3ForCausalLM"})
_FIRST: Final = _QWEN3 | {"LlamaForCausalLM", "MistralForCausalLM"}
_LISTED: Final = _FIRST | {"DeepseekV2ForCausalLM", "Qwen2MoeForCausalLM", "GraniteMoeForCausalLM"}


def is_second_runner(version: tuple[int, ...], architecture: Architecture, *, quantized: bool) -> bool:
    """Whether a version runs a model on its second runner."""
    release = version[:2]
    if release < (0, 22) or architecture.role == "encoder":
        return False
    if release >= (0, 29):
        return True
    if release >= (0, 25):
        return architecture.name in _LISTED or not (architecture.is_moe or architecture.has_state)
    if release >= (0, 24):
        return architecture.name in _LISTED
    return not quantized and architecture.name in (_FIRST if release >= (0, 23) else _QWEN3)
