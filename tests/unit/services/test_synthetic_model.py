"""The synthetic model is what `save_pretrained` would have written, made with much less."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from infra.services.assets import synthetic_model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    synthetic_model.write(directory, "tiny", 2048)
    return directory


def test_weights_have_every_shape_of_the_architecture(made: Path) -> None:
    raw = (made / "model.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__")
    vocabulary = json.loads((made / "config.json").read_text())["vocab_size"]
    assert {key: tuple(entry["shape"]) for key, entry in header.items()} == synthetic_model.shapes(vocabulary)
    for entry in header.values():
        start, end = entry["data_offsets"]
        assert end - start == 2 * math.prod(entry["shape"])
    assert max(entry["data_offsets"][1] for entry in header.values()) == len(raw) - 8 - size


def test_the_tokenizer_gives_every_text_back(made: Path) -> None:
    tokenizer = Tokenizer.from_file(str(made / "tokenizer.json"))
    for text in ("Ask a question, get an answer.", "Ünïcode 漢字 🙂"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    assert synthetic_model.bfloat16([1.0, -2.0]) == bytes.fromhex("803f00c0")


def test_the_same_name_gives_the_same_bytes_and_an_existing_model_is_left_alone(made: Path, tmp_path: Path) -> None:
    synthetic_model.write(tmp_path, "tiny", 2048)
    assert (tmp_path / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()
    stamp = (made / "model.safetensors").stat().st_mtime_ns
    synthetic_model.write(made, "tiny", 2048)
    assert (made / "model.safetensors").stat().st_mtime_ns == stamp
    assert synthetic_model.safetensors("other", 300) != synthetic_model.safetensors("tiny", 300)
