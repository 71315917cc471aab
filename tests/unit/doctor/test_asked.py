"""What a stack asks of each of its hosts follows from the declaration."""

from __future__ import annotations

from typing import Any

import pytest

from images import recipes
from infra.config.load import Written, read_stack_file
from infra.doctor.asked import DOCKER_HUB, HUB, Way, asked_of, is_built, registry_of
from infra.interval import GIB
from infra.pipeline import build
from tests.golden_files import ROOT as CHECKOUT
from tests.unit.doctor.given import CHAT, ROOT, built, fleet, values


def test_hosts_that_run_nothing_are_not_asked() -> None:
    spare = {"spare": {"connection": "ssh://ops@spare"}}
    made = built(inventory={"hosts": {**values()["inventory"]["hosts"], **spare}})
    assert list(asked_of(made, ROOT)) == ["front", "gpu-a"]


def test_a_host_that_asks_another_knows_its_address_and_port() -> None:
    front, gpu = fleet()["front"], fleet()["gpu-a"]
    assert front.ways == (Way("gpu-a", "10.0.0.11", 9470),)
    assert (front.is_asked, gpu.is_asked, gpu.ways) == (False, True, ())
    assert [(one.instance, port.host_port) for one, port in front.ports] == [("nginx", 8080)]


def test_what_is_fetched_is_asked_with_its_size_and_its_names() -> None:
    gpu = fleet()["gpu-a"]
    assert gpu.hubs == (HUB,)
    assert gpu.hub_volume == "hearth-mine-hub-cache"
    assert list(gpu.models) == ["Qwen/Qwen3-8B"]
    assert 15 * GIB < gpu.models["Qwen/Qwen3-8B"] < 16 * GIB
    assert fleet()["front"].hubs == ()


@pytest.mark.parametrize(
    ("more", "hubs"),
    [
        ({"prefetch": {"endpoint": "https://hub.example.com:8443/mirror"}}, ("hub.example.com",)),
        ({"models": {"chat": {**CHAT, "environment": {"HTTPS_PROXY": "http://proxy:3128"}}}}, ()),
        ({"prefetch": {"enabled": False}}, (HUB,)),
        ({"prefetch": {"enabled": False}, "engines": {"environment": {"HF_HUB_OFFLINE": "1"}}}, ()),
        ({"models": {"chat": {**CHAT, "source": "/models/qwen"}}}, ()),
    ],
)
def test_the_hubs_name_is_what_is_really_looked_up(more: dict[str, Any], hubs: tuple[str, ...]) -> None:
    assert asked_of(built(**more), ROOT)["gpu-a"].hubs == hubs


def test_the_driver_is_that_of_the_engines_image() -> None:
    (floor,) = fleet()["gpu-a"].floors.items()
    assert (floor[0], floor[1].branch) == ("vllm/vllm-openai:v0.32.0", 580)
    older = asked_of(built(images={"vllm": "vllm/vllm-openai:v0.32.0-cu129"}), ROOT)["gpu-a"]
    assert [one.branch for one in older.floors.values()] == [525]


def test_directories_of_this_machine_start_at_the_checkout() -> None:
    written, found = read_stack_file(CHECKOUT, "local")
    made, _ = build(Written(written.values, {}), "local", found)
    assert made is not None
    assert "/srv/hearth/.hearth/models/all-minilm-l6-v2" in asked_of(made, ROOT)["local"].read_directories


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx:1.28.0", DOCKER_HUB),
        ("vllm/vllm-openai:v0.32.0", DOCKER_HUB),
        ("ghcr.io/berriai/litellm:v1", "ghcr.io"),
        ("registry.example.com:5000/x/y:1@sha256:00", "registry.example.com:5000"),
        ("localhost/x:1", "localhost"),
        (recipes.reference("nginx"), None),
    ],
)
def test_the_registry_of_an_image_is_told_by_its_name(image: str, registry: str | None) -> None:
    assert registry_of(image) == registry
    assert is_built(image) is (registry is None)
