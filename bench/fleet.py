"""A made-up fleet of any size: hosts with eight cards each, and engines of every kind that people place on them."""

from __future__ import annotations

from typing import Any, Final

from infra.config.schema import StackConfig

CARDS_PER_HOST: Final = 8
ENGINES_PER_HOST: Final = 4
ENGINES_PER_TEAM: Final = 10
_KINDS: Final = (("hopper", "H100-80GB"), ("ampere", "A100-80GB"), ("ada", "L40S"))


def fleet(engines: int) -> StackConfig:
    """Return a stack of so many engines (a multiple of ten) on a quarter as many hosts, rounded up."""
    return _stack(engines, max(len(_KINDS), -(-engines // ENGINES_PER_HOST)))


def crowded(engines: int) -> StackConfig:
    """Return the same engines on a fifth fewer hosts: more than fit."""
    return _stack(engines, max(2, -(-engines // ENGINES_PER_HOST) * 4 // 5))


def _stack(engines: int, number_of_hosts: int) -> StackConfig:
    hosts: dict[str, Any] = {}
    groups: dict[str, Any] = {group: {"hosts": []} for group, _ in _KINDS}
    for number in range(number_of_hosts):
        group, card = _KINDS[number % len(_KINDS)]
        name = f"{group}-{number:03}"
        gpus = [{"id": str(index), "model": card} for index in range(CARDS_PER_HOST)]
        hosts[name] = {"gpus": gpus, "cores": 96, "memory": "1024GiB"}
        groups[group]["hosts"].append(name)
    groups["large"] = {"children": ["hopper", "ampere"]}
    models: dict[str, Any] = {}
    for team in range(engines // ENGINES_PER_TEAM):
        models |= _team(team)
    return StackConfig.model_validate({"inventory": {"hosts": hosts, "groups": groups}, "models": models})


def _team(number: int) -> dict[str, Any]:
    """Ten engines: tensor parallel over 8, 4, 2 and 1 cards, fractions given and open, replicas apart and not."""
    llama = {"source": "meta-llama/Llama-3.3-70B-Instruct", "quantization": "fp8", "context": 16384}
    small = {"source": "meta-llama/Llama-3.1-8B-Instruct", "context": 8192}
    every_other = number % 2 == 0
    return {
        f"wide-{number}": {
            **llama,
            "place": "ampere",
            "tensor_parallel": 8 if every_other else 2,
            "memory_fraction": 0.5 if every_other else 0.75,
        },
        f"large-{number}": {**llama, "place": "hopper", "tensor_parallel": 4, "memory_fraction": 0.7},
        f"coder-{number}": {
            "source": "Qwen/Qwen3-Coder-30B-A3B-Instruct",
            "place": "large",
            "tensor_parallel": 2,
            "context": 65536,
            "users": 2,
        },
        f"chat-{number}": {**small, "memory_fraction": 0.28, "replicas": 3},
        f"draft-{number}": {**small, "place": "ada", "replicas": 2, "spread": "card", "after": [f"chat-{number}"]},
        f"long-{number}": {"source": "Qwen/Qwen3-14B", "context": "auto", "users": 2},
        f"search-{number}": {"source": "BAAI/bge-m3", "kind": "embedding", "memory_fraction": 0.1},
    }
