"""What commands print becomes a report: of a machine as it answered, and of forms that other machines have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra.config.inventory import Disk, Host
from infra.doctor import reading
from infra.doctor.asked import Asked, Way
from infra.doctor.hosts import report_of
from infra.doctor.report import CardUser, Listener, Running
from infra.facts.machine import FileSystem
from infra.facts.script import Answer, answers
from tests.unit.doctor.given import fleet
from tests.unit.facts.printed import DOCKER_27, DOCKER_CDI, DOCKER_DOWN, answer

# Recorded on Debian 12 with Docker 20.10.24 and a docker command of 28.2.2, without cards; the kernel's name, the
# daemon's id and links of tests that ran meanwhile are taken out.
HERE = (Path(__file__).parent / "here.txt").read_text(encoding="utf-8")
SENT, RECEIVED = 1796130000.0, 1796130000.7


def here() -> Asked:
    """Return what that machine was asked."""
    front = fleet()["front"]
    return Asked(
        host="here",
        section=Host(connection="local", disks=(Disk(path="/", size=2**38),)),
        stack="mine",
        workloads=(
            replace(front.workloads[0], image="hearth/nginx:1.22.1-4c1391471a40"),
            replace(front.workloads[1], image="nowhere.example/absent:1"),
        ),
        hub_volume="hearth-mine-hub-cache",
        hubs=("localhost", "hub.invalid"),
        ways=(Way("near", "127.0.0.1", 1), Way("far", "127.0.0.1", 22999)),
    )


def test_a_recorded_machine_is_understood() -> None:
    report = report_of(answers(HERE), here(), SENT, RECEIVED)
    assert report.is_known
    assert report.daemon is not None
    assert (report.daemon.version, report.daemon.api) == ("20.10.24+dfsg1", "1.41")
    assert (report.daemon.cgroup_driver, report.daemon.cgroup_version) == ("cgroupfs", "1")
    assert report.daemon.runtimes == ("io.containerd.runc.v2", "io.containerd.runtime.v1.linux", "runc")
    assert not report.daemon.has_proxy
    assert not report.daemon.has_mirror
    assert list(report.images) == ["hearth/nginx:1.22.1-4c1391471a40"]
    assert report.images["hearth/nginx:1.22.1-4c1391471a40"] > 100 * 2**20
    assert (report.cards, report.card_users, report.has_hook, report.has_kfd) == ((), (), False, False)
    assert "nvidia-smi is not there" in report.card_trouble
    assert report.memory_bytes == 25276502016
    assert report.available_bytes is not None
    assert 2**30 < report.available_bytes < report.memory_bytes
    assert report.overcommit == 0
    assert report.disks["/"] == FileSystem("/dev/vda", "/", 270553174016, report.disks["/"].free_bytes)
    assert report.docker_root == "/var/lib/docker"
    assert set(report.disks) == {"/", "/var/lib/docker"}
    assert report.addresses is not None
    assert {"127.0.0.1", "::1"} <= set(report.addresses)
    assert Listener("127.0.0.1", 22999, "python") in (report.listeners or ())
    assert report.routes == {"127.0.0.1": "127.0.0.1"}
    assert report.reached == {"127.0.0.1:1": "refused", "127.0.0.1:22999": "open"}
    assert report.names["localhost"]
    assert not report.names["hub.invalid"]
    assert not report.volumes


def test_the_clock_is_known_within_the_time_of_the_connection_alone() -> None:
    printed = answer("clock", "1796130005.500000000") + answer("clock-after", "1796130006.000000000")
    report = report_of(answers(printed), here(), SENT, RECEIVED)
    # The host was busy for 0.5 of 0.7 s, so that its clock is known to 0.2 s.
    assert report.clock_s == (5.3, 5.5)
    assert report_of(answers(answer("clock", "1796130005.%N")), here(), SENT, RECEIVED).clock_s == (4.8, 5.5)
    assert report_of(answers(answer("clock", "", 127)), here(), SENT, RECEIVED).clock_s is None


def test_a_daemon_that_is_down_is_none_and_says_why() -> None:
    printed = answer("docker", DOCKER_DOWN, 1, "Cannot connect to the Docker daemon. Is the docker daemon running?")
    report = report_of(answers(printed), here(), SENT, RECEIVED)
    assert report.daemon is None
    assert report.daemon_said == "Cannot connect to the Docker daemon. Is the docker daemon running"


def test_cdi_is_read_of_new_daemons_and_of_old_ones() -> None:
    new, old = reading.daemon(DOCKER_CDI, '{"ApiVersion": "1.51"}'), reading.daemon(DOCKER_27, "")
    assert new is not None
    assert "nvidia.com/gpu=GPU-00000000-1111-2222-3333-444455556666" in new.cdi_devices
    assert new.api == "1.51"
    assert old is not None
    assert (old.reads_cdi, old.cdi_devices, old.api) == (True, (), "")


# The form of `docker ps` as recorded from Docker 20.10 (one address and two, a range, a port that isn't published).
PS = "\t".join(
    ["a" * 64, "mine", "nginx", "hearth-mine-nginx", "127.0.0.1:8080->8080/tcp, 0.0.0.0:9000-9001->9000-9001/tcp"]
)
PS += "\n" + "\t".join(["b" * 64, "", "", "web", ":::80->80/tcp, [::1]:81->80/tcp, 53/udp, 0.0.0.0:54->53/udp"])


def test_published_ports_are_read() -> None:
    assert reading.containers(PS) == (
        Running(
            "a" * 64,
            "mine",
            "nginx",
            "hearth-mine-nginx",
            (("127.0.0.1", 8080), ("0.0.0.0", 9000), ("0.0.0.0", 9001)),
        ),
        Running("b" * 64, "", "", "web", (("::", 80), ("::1", 81))),
    )


# Form of `ss -Hltnp` of iproute2 6.1.
SS = """\
LISTEN 0      4096            127.0.0.1:17070      0.0.0.0:*    users:(("nginx",pid=9,fd=6),("nginx",pid=8,fd=6))
LISTEN 0      4096   [::ffff:127.0.0.1]:36899            *:*
LISTEN 0      511                     *:80               *:*    users:(("apache2",pid=7,fd=4))
LISTEN 0      4096      127.0.0.53%lo:53         0.0.0.0:*
LISTEN 0      4096               [::1]:631            [::]:*
"""
# /proc/net/tcp and tcp6 as the kernel prints them: 127.0.0.1:8080 and :::22 listen, the third is a connection.
PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:8D44 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""


def test_listeners_are_read_of_ss_and_of_the_kernel() -> None:
    assert reading.listeners(SS) == (
        Listener("127.0.0.1", 17070, "nginx"),
        Listener("127.0.0.1", 36899),
        Listener("::", 80, "apache2"),
        Listener("127.0.0.53", 53),
        Listener("::1", 631),
    )
    assert reading.sockets(PROC) == (Listener("127.0.0.1", 8080), Listener("::", 22))
    without_ss = answer("sockets", PROC)
    assert report_of(answers(without_ss), here(), SENT, RECEIVED).listeners == reading.sockets(PROC)
    assert report_of(answers(""), here(), SENT, RECEIVED).listeners is None


@pytest.mark.parametrize(
    ("said", "code", "outcome"),
    [
        ("", 0, "open"),
        ("bash: connect: Connection refused", 1, "refused"),
        ("", 124, "silent"),
        ("bash: connect: Connection timed out", 1, "silent"),
        ("bash: connect: No route to host", 1, "no-way"),
        ("bash: connect: Network is unreachable", 1, "no-way"),
        ("timeout is not there", 127, "unknown"),
    ],
)
def test_what_came_of_a_connection_is_told_by_what_bash_says(said: str, code: int, outcome: str) -> None:
    assert reading.outcome(Answer("", said, code)) == outcome


def test_a_way_is_the_address_that_packets_come_from() -> None:
    # ip -o route get, iproute2 6.1.
    printed = "10.0.0.11 via 10.77.0.1 dev eth0 src 10.0.0.10 uid 0 \\    cache "
    assert reading.route(Answer(printed)) == "10.0.0.10"
    assert reading.route(Answer("", "RTNETLINK answers: Network is unreachable", 2)) == ""
    assert reading.route(Answer("", "ip is not there", 127)) is None


# nvidia-smi's `--query-compute-apps` without units; the cgroup of a process in a container, version 2 with systemd's driver.
APPS = """\
GPU-00000000-1111-2222-3333-444455556666, 4141, VLLM::EngineCore, 70000
GPU-00000001-1111-2222-3333-444455556666, 4242, /usr/bin/python3, [N/A]
"""
KFD = "/sys/class/kfd/kfd/proc/77/vram_51545:1073741824\n/sys/class/kfd/kfd/proc/78/vram_51545:0\n"


def test_users_of_cards_are_told_with_the_container_that_they_are_in() -> None:
    inside = "a" * 64
    printed = answer("card-users", APPS) + answer("cgroup:4141", f"0::/system.slice/docker-{inside}.scope")
    printed += answer("cgroup:4242", "0::/user.slice/user-1000.slice/session-3.scope") + answer("kfd-users", KFD)
    assert reading.card_users(answers(printed)) == (
        CardUser(4141, "VLLM::EngineCore", 70000 * 2**20, "GPU-00000000-1111-2222-3333-444455556666", inside),
        CardUser(4242, "/usr/bin/python3", None, "GPU-00000001-1111-2222-3333-444455556666", ""),
        CardUser(77, "", 2**30, "", ""),
    )


def test_version_1_has_the_container_in_its_path_too() -> None:
    inside = "c" * 64
    printed = answer("card-users", APPS) + answer(
        "cgroup:4141", f"9:name=systemd:/docker/{inside}\n4:memory:/docker/{inside}"
    )
    assert reading.card_users(answers(printed))[0].container == inside


@pytest.mark.parametrize("printed", ["", "[]", "{", '{"ServerVersion": 3}', '{"ServerVersion": ""}'])
def test_what_is_no_answer_of_docker_is_no_daemon(printed: str) -> None:
    assert reading.daemon(printed, printed) is None
