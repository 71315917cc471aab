"""Make a tiny chat model on the spot: a real Llama architecture, random weights, a trained tokenizer.

Runs inside the engine's image, before `vllm serve`, with nothing but the standard library and `tokenizers`
(which every vLLM brings): importing torch and transformers here would double the engine's start.
What it writes is what `save_pretrained` would write; the same name always gives the same bytes.

Usage: python3 synthetic_model.py DIRECTORY NAME CONTEXT_TOKENS
"""

from __future__ import annotations

import json
import math
import random
import struct
import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, HEAD_SIZE, VOCABULARY = 64, 128, 2, 4, 2, 32, 512
SPECIAL = ["<s>", "</s>", "<pad>"]
CORPUS = [
    "A declaration says what should run; a plan says where, and why.",
    "Ask a question, get an answer, one token after the other.",
    "The engine starts, the gateway answers, the dashboard shows it.",
    "system user assistant",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
SPREAD = 0.05


def tokenizer() -> Tokenizer:
    """Train a byte-level BPE tokenizer: every text has tokens, none is unknown."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS * 20, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet)
    )
    return made


def config(vocabulary: int, context: int) -> dict[str, Any]:
    """Return config.json of a Llama with tied embeddings."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_SIZE,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "max_position_embeddings": context,
        "vocab_size": vocabulary,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "bfloat16",
    }


def shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Return every weight's shape, in the names of LlamaForCausalLM."""
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        start = f"model.layers.{layer}"
        found |= {
            f"{start}.input_layernorm.weight": (HIDDEN,),
            f"{start}.post_attention_layernorm.weight": (HIDDEN,),
            f"{start}.self_attn.q_proj.weight": (HEADS * HEAD_SIZE, HIDDEN),
            f"{start}.self_attn.k_proj.weight": (KV_HEADS * HEAD_SIZE, HIDDEN),
            f"{start}.self_attn.v_proj.weight": (KV_HEADS * HEAD_SIZE, HIDDEN),
            f"{start}.self_attn.o_proj.weight": (HIDDEN, HEADS * HEAD_SIZE),
            f"{start}.mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{start}.mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
            f"{start}.mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
        }
    return found


def bfloat16(numbers: list[float]) -> bytes:
    """Cut float32 to its upper half: that is bfloat16, little endian."""
    wide = struct.pack(f"<{len(numbers)}f", *numbers)
    return b"".join(wide[at + 2 : at + 4] for at in range(0, len(wide), 4))


def safetensors(name: str, vocabulary: int) -> bytes:
    """Return the weights in the safetensors format: header length, JSON header, raw tensors."""
    chance = random.Random(name)  # noqa: S311 - weights of a toy model, not a secret
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for key, shape in shapes(vocabulary).items():
        size = math.prod(shape)
        numbers = [1.0] * size if len(shape) == 1 else [chance.gauss(0.0, SPREAD) for _ in range(size)]
        data = bfloat16(numbers)
        header[key] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = json.dumps(header, sort_keys=True).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + body


def write(directory: Path, name: str, context: int) -> None:
    """Write the whole model; an existing one is left alone."""
    done = directory / "model.safetensors"
    if done.exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    vocabulary = made.get_vocab_size()
    made.save(str(directory / "tokenizer.json"))
    texts = {
        "config.json": config(vocabulary, context),
        "generation_config.json": {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIAL[0],
            "eos_token": SPECIAL[1],
            "pad_token": SPECIAL[2],
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            "chat_template": CHAT_TEMPLATE,
        },
    }
    for file, content in texts.items():
        (directory / file).write_text(json.dumps(content, indent=2, sort_keys=True), encoding="utf-8")
    part = directory / "model.safetensors.part"
    part.write_bytes(safetensors(name, vocabulary))
    part.rename(done)


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
