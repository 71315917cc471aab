from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest

from infra.config.inventory import Host
from infra.errors import Severity
from infra.facts import HostFacts, Ran, collect
from tests.tools import require
from tests.unit.facts import printed

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Recorded:
    """Answers every command with one text, and remembers the command."""

    def __init__(self, out: str = printed.GPU_HOST, code: int = 0, said: str = "") -> None:
        self.ran = Ran(code, out, said)
        self.argv: list[str] = []
        self.given = ""

    def __call__(self, argv: Sequence[str], given: str) -> Ran:
        self.argv, self.given = list(argv), given
        return self.ran


def told(facts: HostFacts) -> list[str]:
    return [str(finding) for finding in facts.findings]


def test_a_host_with_four_cards_as_an_inventory_has_it() -> None:
    section = collect("ssh://ops@gpu01", Recorded()).section()
    assert section["cores"] == 112
    assert section["memory"] == "1007.45GiB"
    assert section["numa_nodes"] == [
        {"cores": "0-27,56-83", "memory": "503.49GiB"},
        {"cores": "28-55,84-111", "memory": "503.95GiB"},
    ]
    assert section["driver"] == "580.82.07"
    assert section["cpu"]["threads_per_core"] == 2
    assert section["disks"] == [
        {"path": "/data/docker", "size": "3576.98GiB", "free": "919.82GiB"},
        {"path": "/", "size": "251.97GiB", "free": "62.19GiB"},
    ]
    assert [gpu["memory"] for gpu in section["gpus"]] == ["79.64GiB"] * 4
    assert section["gpus"][1]["index"] == 1
    assert len(section["gpus"][1]["nvlink"]) == 3
    Host.model_validate(section)


def test_ssh_never_asks_and_never_waits_long() -> None:
    run = Recorded()
    assert collect("ssh://ops@gpu01:2222", run, ["-i", "key"]).is_known
    expected = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-T", "-p", "2222", "-l", "ops"]
    assert run.argv == [*expected, "-i", "key", "--", "gpu01", "sh"]
    assert "nvidia-smi topo -m" in run.given


def test_a_docker_socket_is_asked_from_this_machine() -> None:
    run = Recorded()
    collect("unix:///run/user/1000/docker.sock", run)
    assert run.argv == ["sh"]
    assert run.given.startswith("DOCKER_HOST=unix:///run/user/1000/docker.sock; export DOCKER_HOST\n")


@pytest.mark.parametrize(
    "connection",
    ["ssh://-oProxyCommand=x", "ssh://-l@h", "http://h", "ssh://h:99999", "gpu01", "", "ssh://[", "unix:///a b;c"],
)
def test_what_is_no_connection_runs_nothing(connection: str) -> None:
    run = Recorded()
    facts = collect(connection, run)
    assert not facts.is_known
    assert run.argv == []


def test_an_unreachable_host_is_one_finding_with_what_ssh_said() -> None:
    facts = collect("ssh://gpu09", Recorded("", 255, "ssh: connect to host gpu09 port 22: No route to host\n"))
    assert facts.section() == {}
    assert len(facts.findings) == 1
    assert "can't be reached: ssh: connect to host gpu09 port 22: No route to host" in told(facts)[0]
    assert facts.findings[0].severity is Severity.ERROR


def test_a_host_that_stops_answering_is_not_half_known() -> None:
    facts = collect("ssh://gpu09", Recorded(printed.GPU_HOST[:3000], 0, ""))
    assert facts.section() == {}
    assert "stopped answering" in told(facts)[0]


def test_a_command_that_is_missing_or_hangs_is_a_finding() -> None:
    missing = Mock(side_effect=FileNotFoundError(2, "No such file or directory"))
    hanging = Mock(side_effect=subprocess.TimeoutExpired("ssh", 240))
    assert "ssh can't be run" in told(collect("ssh://h", missing))[0]
    assert "didn't answer within 240 s" in told(collect("ssh://h", hanging))[0]


def test_a_host_without_cards_and_without_docker_is_a_warning_and_says_that_it_has_no_cards() -> None:
    out = printed.answer("lscpu", printed.LSCPU_FLAT) + printed.answer("meminfo", printed.MEMINFO)
    facts = collect("local", Recorded(f"{out}@@hearth done\n"))
    assert facts.is_known
    assert facts.section()["gpus"] == []
    assert [finding.severity for finding in facts.findings] == [Severity.WARNING]
    assert "no Docker answers" in told(facts)[0]


def test_a_driver_that_fails_is_a_warning() -> None:
    out = printed.GPU_HOST.replace(
        printed.answer("nvidia-cards", printed.H100_CSV), printed.answer("nvidia-cards", printed.NO_DRIVER, 9)
    )
    facts = collect("local", Recorded(out))
    assert facts.section()["gpus"] == []
    assert "nvidia-smi failed with status 9" in told(facts)[0]


def test_cards_that_docker_cannot_give_away_are_a_warning() -> None:
    docker = '{"ServerVersion": "28.3.2", "Runtimes": {"runc": {}}, "NCPU": 64}'
    facts = collect("local", Recorded(printed.GPU_HOST.replace(printed.DOCKER, docker)))
    assert any("neither the nvidia runtime nor CDI" in text for text in told(facts))
    assert any("Docker has 64 of its 112 cores" in text for text in told(facts))


@pytest.mark.parametrize(
    ("docker", "access", "told_of"),
    [
        (printed.DOCKER_CDI, "cdi", ""),
        (printed.DOCKER, "device-request", "lists CDI devices, but not GPU-00000000"),
        (printed.DOCKER_27, "device-request", ""),
        (printed.DOCKER_27.replace("nvidia", "other"), None, "knows neither"),
        (printed.DOCKER_DOWN, None, "no Docker answers"),
    ],
)
def test_how_docker_gives_away_cards_is_a_fact(docker: str, access: str | None, told_of: str) -> None:
    facts = collect("local", Recorded(printed.GPU_HOST.replace(printed.DOCKER, docker)))
    section = facts.section()
    assert section.get("gpu_access") == access
    assert "device_groups" not in section
    assert told_of in " ".join(told(facts))
    assert bool(told_of) == bool(facts.findings)
    Host.model_validate(section)


def test_the_parts_of_a_split_card_must_be_listed_themselves() -> None:
    parts = ("MIG-ce861fb0-a248-58ce-a9a8-000000000001", "MIG-a45882f0-9215-5733-a0c1-000000000002")
    out = printed.GPU_HOST.replace(printed.H100_CSV, printed.MIG_CSV.splitlines()[0])
    out = out.replace(printed.answer("nvidia-list", ""), printed.answer("nvidia-list", printed.MIG_LIST))
    listed = [{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in parts]
    for devices, access in ((listed, "cdi"), (listed[:1], "device-request")):
        docker = json.dumps({**json.loads(printed.DOCKER), "DiscoveredDevices": devices})
        facts = collect("local", Recorded(out.replace(printed.DOCKER, docker)))
        assert facts.section()["gpu_access"] == access


def test_amd_cards_have_device_files_and_groups_and_need_no_toolkit() -> None:
    facts = collect("local", Recorded(printed.AMD_HOST))
    section = facts.section()
    assert [gpu["render_node"] for gpu in section["gpus"]] == ["/dev/dri/renderD128", "/dev/dri/renderD130"]
    assert section["device_groups"] == [44, 992]
    assert "gpu_access" not in section
    assert told(facts) == []
    Host.model_validate(section)


def test_parts_of_one_amd_card_get_no_device_file() -> None:
    """Its partitions have one bus address, and the file that has that address is the first one's."""
    out = printed.AMD_HOST.replace("0000:0A:00.0", "0000:03:00.0")
    assert all("render_node" not in gpu for gpu in collect("local", Recorded(out)).section()["gpus"])


def test_a_lone_numa_node_has_all_memory() -> None:
    """Seen on a virtual machine that got memory later: its node says 13.7 GiB, the machine has 23.5."""
    out = [printed.answer("lscpu", printed.LSCPU_FLAT), printed.answer("meminfo", "MemTotal:       24684084 kB\n")]
    out += [printed.answer("numa", "Node 0 MemTotal:       14379212 kB"), "@@hearth done\n"]
    section = collect("local", Recorded("".join(out))).section()
    assert section["numa_nodes"] == [{"cores": "0,1", "memory": "23.54GiB"}]


def test_this_machine_answers() -> None:
    require(shutil.which("lscpu") is not None, "lscpu is not installed")
    facts = collect("local")
    section = facts.section()
    assert facts.is_known
    assert section["cores"] >= len(os.sched_getaffinity(0))
    assert any(disk["path"] for disk in section["disks"])
    Host.model_validate(section)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """An sshd of this user on loopback, and the options that reach it without touching anybody's ~/.ssh."""
    require(SSHD is not None, "sshd is not installed")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    (tmp_path / "keys").write_text((tmp_path / "user.pub").read_text())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "sshd_config"
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {tmp_path}/host",
        f"AuthorizedKeysFile {tmp_path}/keys",
    ]
    lines += ["StrictModes no", "PermitRootLogin yes", "UsePAM no", f"PidFile {tmp_path}/pid"]
    config.write_text("\n".join(lines) + "\n")
    tried = subprocess.run([SSHD or "", "-t", "-f", config], capture_output=True, text=True, check=False)
    require(tried.returncode == 0, f"sshd can't run here: {tried.stderr.strip()}")
    daemon = subprocess.Popen([SSHD or "", "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        known = ["-F", "/dev/null", "-o", f"UserKnownHostsFile={tmp_path}/known", "-o", "StrictHostKeyChecking=no"]
        yield f"ssh://{getpass.getuser()}@127.0.0.1:{port}", [*known, "-i", str(tmp_path / "user")]
    finally:
        daemon.terminate()
        daemon.wait()


def test_a_real_ssh_server_answers_like_this_machine(server: tuple[str, list[str]]) -> None:
    connection, options = server
    over_ssh, here = collect(connection, ssh_options=options), collect("local")
    assert over_ssh.is_known, told(over_ssh)
    assert {**over_ssh.section(), "disks": None} == {**here.section(), "disks": None}


def test_a_real_ssh_server_that_refuses_is_a_finding(server: tuple[str, list[str]]) -> None:
    connection, options = server
    facts = collect(connection, ssh_options=[*options[:-2], "-o", "IdentitiesOnly=yes"])
    assert not facts.is_known
    assert "Permission denied" in told(facts)[0]
