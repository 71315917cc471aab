"""A host's part of a stack, as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config.inventory import Host, Inventory
from infra.config.restart import Restart
from infra.config.schema import StackConfig
from infra.services.base import Volume, Workload
from infra.targets.docker.connection import Connection, UnreachableError
from infra.targets.docker.declared import sites
from infra.targets.docker.mapping import Names

NAMES = Names("hearth", "prod")
GPU = Host(connection="ssh://ops@10.0.0.11:2222", ssh_options=("-J", "jump"))
CONFIG = StackConfig(inventory=Inventory(hosts={"box": Host(), "gpu": GPU, "idle": Host()}))


def workload(instance: str, host: str, image: str = "example/image:1") -> Workload:
    volume = Volume(f"{instance}-data", "/data")
    return Workload(instance, "x", host, image, ("x",), Restart(), volumes=(volume, Volume("b", "/b", host_path="/b")))


def test_every_host_that_runs_something_has_a_part_of_its_own(tmp_path: Path) -> None:
    found = sites(CONFIG, [workload("a", "box"), workload("b", "gpu"), workload("c", "gpu")], NAMES, tmp_path)
    assert list(found) == ["box", "gpu"]
    assert [resource.name for resource in found["gpu"].resources()] == [
        "docker-gpu",
        "network-gpu",
        "image-gpu-example/image",
        "volume-gpu-hearth-prod-b-data",
        "volume-gpu-hearth-prod-c-data",
        "b",
        "c",
    ]
    assert found["gpu"].provider.arguments["ssh_opts"] == ["-J", "jump"]
    assert "ssh_opts" not in found["box"].provider.arguments


def test_its_names_are_those_of_the_engine(tmp_path: Path) -> None:
    urns = sites(CONFIG, [workload("a", "box")], NAMES, tmp_path)["box"].urns("hearth", "prod")
    assert urns[0] == "urn:pulumi:prod::hearth::hearth:index:Stack$pulumi:providers:docker::docker-box"
    assert urns[-1] == "urn:pulumi:prod::hearth::hearth:index:Stack$docker:index/container:Container::a"


def test_two_versions_of_an_image_are_two_resources_and_a_new_version_is_none(tmp_path: Path) -> None:
    def names(*images: str) -> list[str]:
        made = [workload(f"w{number}", "box", image) for number, image in enumerate(images)]
        return [image.name for image in sites(CONFIG, made, NAMES, tmp_path)["box"].images.values()]

    assert names("a/b:1") == names("a/b:2@sha256:00") == ["image-box-a/b"]
    assert names("a/b:1", "a/b:2@sha256:00", "c:1") == ["image-box-a/b:1", "image-box-a/b:2", "image-box-c"]


def test_a_host_that_is_not_there_is_said_with_the_reason() -> None:
    nowhere = Connection("gpu", "ssh://ops@127.0.0.1:9", ("-o", "StrictHostKeyChecking=no"))
    with pytest.raises(UnreachableError, match=r"gpu \(ssh://ops@127.0.0.1:9\): .*refused"), nowhere.client():
        pass
    with pytest.raises(UnreachableError, match="no way to a host"), Connection("gpu", "ssh://-oX@h").client():
        pass
