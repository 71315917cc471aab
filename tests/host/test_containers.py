"""Every container: that it runs and is well, and is what was declared."""

from __future__ import annotations

import pytest

from tests.host.conftest import Machine, Running


def test_it_runs(container: Running) -> None:
    state = container.seen["State"]
    if container.is_step:
        assert state["ExitCode"] == 0, f"{container.instance} ended with code {state['ExitCode']}"
    else:
        assert state["Status"] == "running", (
            f"{container.instance} is {state['Status']}: `docker logs {container.name}`"
        )


def test_it_is_healthy(container: Running) -> None:
    if container.declared.arguments.get("healthcheck") is None or container.is_step:
        pytest.skip("nothing in it can be asked; Prometheus says whether it answers")
    health = container.seen["State"]["Health"]
    last = health["Log"][-1]["Output"].strip()[:300] if health.get("Log") else "never asked"
    assert health["Status"] == "healthy", f"{container.instance} is {health['Status']}: {last}"


def test_it_comes_back_as_promised(container: Running) -> None:
    policy = container.seen["HostConfig"]["RestartPolicy"]
    declared = container.declared.arguments
    assert (policy["Name"], policy["MaximumRetryCount"]) == (declared["restart"], declared.get("max_retry_count", 0))


def test_it_is_of_the_declared_image(container: Running) -> None:
    reference = container.declared.arguments["image"]
    assert container.seen["Image"] == container.machine.image_id(reference), f"{reference} means another image by now"
    if "@" in reference:
        digests = container.machine.docker(
            f"image inspect --format '{{{{json .RepoDigests}}}}' {container.seen['Image']}"
        )
        assert reference.partition("@")[2] in digests


def test_it_has_its_cards_and_no_others(container: Running) -> None:
    host = container.seen["HostConfig"]
    wanted = sorted(
        card for one in container.declared.arguments.get("device_requests", ()) for card in one["device_ids"]
    )
    there = sorted(card for one in host.get("DeviceRequests") or () for card in one.get("DeviceIDs") or ("all",))
    assert there == wanted
    nodes = sorted(one["host_path"] for one in container.declared.arguments.get("devices", ()))
    assert sorted(one["PathOnHost"] for one in host.get("Devices") or ()) == nodes
    assert not host["Privileged"]


def test_it_has_its_names_on_the_stacks_network_alone(container: Running) -> None:
    if container.seen["State"]["Status"] != "running":
        pytest.skip("it has ended")
    networks = container.seen["NetworkSettings"]["Networks"]
    (declared,) = container.declared.arguments["networks_advanced"]
    assert list(networks) == [declared["name"]]
    assert set(declared["aliases"]) <= set(networks[declared["name"]]["Aliases"])


def test_its_data_is_where_it_was_declared(container: Running) -> None:
    there = {one["Destination"]: one.get("Name") or one["Source"] for one in container.seen["Mounts"]}
    for mount in container.declared.arguments["volumes"]:
        assert there.get(mount["container_path"]) == (mount.get("volume_name") or mount.get("host_path"))


def test_nothing_else_says_that_it_is_of_the_stack(host_machine: Machine) -> None:
    (label,) = (
        one["value"] for one in host_machine.site.network.arguments["labels"] if one["label"].endswith(".stack")
    )
    listed = host_machine.docker(f"ps -a --filter label=hearth.stack={label} --format '{{{{.Names}}}}'").split()
    assert set(listed) <= {one.arguments["name"] for one in host_machine.site.containers.values()}
