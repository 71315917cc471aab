"""The script runs through a real shell; hosts that can't be asked are told with what mends it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from infra.config.inventory import Disk, Host
from infra.doctor.asked import Asked, Way
from infra.doctor.hosts import ask_host
from infra.doctor.questions import script_for
from infra.facts.host import Ran
from infra.services.base import Volume
from tests.unit.doctor.given import fleet

GPU = fleet()["gpu-a"]
DOCKER = r"""#!/bin/sh
echo "$*" >> "$0.log"
case "$1 $2" in
  "info --format") case "$3" in *Root*) echo /data ;; *) echo '{"ServerVersion": "29.8.2", "NCPU": 4}' ;; esac ;;
  "version --format") echo '{"ApiVersion": "1.52"}' ;;
  "image inspect") [ "$5" = there:1 ] && echo 123 || { echo "No such image: $5" >&2; exit 1; } ;;
  "volume inspect") echo /nowhere ;;
esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/usr/sbin:/sbin")
    put(tmp_path, "docker", DOCKER)
    return tmp_path


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def local(**more: object) -> Asked:
    workload = fleet()["front"].workloads[0]
    fields = {"workloads": (replace(workload, image="there:1"), replace(workload, image="absent:1")), **more}
    return Asked(host="box", section=Host(disks=(Disk(path="/", size=1),)), stack="mine", **fields)  # type: ignore[arg-type]


def test_one_shell_answers_everything(programs: Path) -> None:
    report = ask_host(local(hub_volume="hearth-mine-hub-cache"))
    assert report.is_known
    assert report.daemon is not None
    assert (report.daemon.version, report.daemon.api) == ("29.8.2", "1.52")
    assert report.images == {"there:1": 123}
    assert report.volumes == {"hearth-mine-hub-cache"}
    assert report.docker_root == "/data"
    assert "/" in report.disks
    assert report.memory_bytes is not None
    assert report.clock_s is not None
    assert report.clock_s[0] <= 0 <= report.clock_s[1]
    listed = [line for line in (programs / "docker.log").read_text().splitlines() if line.startswith("ps ")]
    assert len(listed) == 1


def test_no_word_of_a_declaration_is_a_command(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(programs)
    evil = "$(touch pwned)`touch pwned`;touch pwned"
    volume = Volume("models", "/models", f"/x/{evil}", read_only=True)
    workload = replace(fleet()["front"].workloads[0], image=f"there:1;{evil}", volumes=(volume,))
    asked = local(workloads=(workload,), hub_volume=evil, hubs=(evil,), ways=(Way("b", evil, 80),))
    ask_host(replace(asked, section=Host(disks=(Disk(path=f"/d{evil}", size=1),))))
    assert not (programs / "pwned").exists()


def test_a_daemon_that_does_not_answer_is_asked_no_more(programs: Path) -> None:
    put(
        programs,
        "docker",
        '#!/bin/sh\necho "$*" >> "$0.log"\necho "Cannot connect to the Docker daemon." >&2\nexit 1\n',
    )
    report = ask_host(local())
    assert report.is_known
    assert report.daemon is None
    assert report.daemon_said == "Cannot connect to the Docker daemon"
    asked = (programs / "docker.log").read_text()
    assert "image inspect" not in asked
    assert "ps" not in asked


def test_a_card_program_that_hangs_costs_its_time_limit_and_no_more(programs: Path) -> None:
    # timeout itself stands in: the real limit is 30 s.
    put(programs, "timeout", '#!/bin/sh\nshift\ncase "$1" in nvidia-smi) exit 124 ;; esac\nexec "$@"\n')
    put(programs, "nvidia-smi", "#!/bin/sh\nsleep 1000\n")
    began = time.monotonic()
    report = ask_host(local())
    assert time.monotonic() - began < 30
    assert report.cards == ()
    assert report.daemon is not None


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        (
            "Host key verification failed.",
            "log in once by hand (`ssh -o ConnectTimeout=10 -l ops -- gpu-a.example.com`)",
        ),
        ("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", "`ssh-keygen -R gpu-a.example.com`"),
        ("ops@gpu-a: Permission denied (publickey).", "name one with ssh_options"),
        ("ssh: Could not resolve hostname gpu-a: Name or service not known", "hearth:inventory.hosts.gpu-a"),
        ("ssh: connect to host gpu-a port 22: Connection refused", "start sshd there"),
        ("ssh: connect to host gpu-a port 22: Connection timed out", "switch it on"),
        ("ssh: connect to host gpu-a port 22: No route to host", "switch it on"),
        ("kex_exchange_identification: something", "work without a password"),
    ],
)
def test_what_ssh_says_is_told_with_what_mends_it(said: str, fix: str) -> None:
    report = ask_host(GPU, lambda *_: Ran(255, "", said + "\n"))
    assert report.problem == f"can't be reached: {said.rstrip('.')}"
    assert fix in report.fix
    assert "{" not in report.fix


def test_a_host_that_stops_in_between_is_no_report() -> None:
    report = ask_host(GPU, lambda *_: Ran(0, "\n@@hearth begin clock\n1796130000.1\n", ""))
    assert report.problem == "stopped answering: exit status 0"


def test_a_host_that_never_answers_is_told() -> None:
    def hangs(argv: Sequence[str], given: str) -> Ran:
        del given
        raise subprocess.TimeoutExpired(list(argv), 240)

    assert ask_host(GPU, hangs).problem == "didn't answer within 240 s"

    def lacks(argv: Sequence[str], given: str) -> Ran:
        del argv, given
        raise FileNotFoundError(2, os.strerror(2))

    report = ask_host(GPU, lacks)
    assert (report.problem, report.fix) == ("ssh can't be run: No such file or directory", "install ssh")


def test_ssh_is_asked_without_a_password_and_with_the_options_of_the_inventory() -> None:
    seen: list[str] = []

    def note(argv: Sequence[str], given: str) -> Ran:
        seen.extend(argv)
        assert given == script_for(GPU)
        return Ran(255, "", "no")

    section = Host.model_validate({**GPU.section.model_dump(), "ssh_options": ("-i", "key")})
    ask_host(replace(GPU, section=section), note)
    assert " ".join(seen) == "ssh -o BatchMode=yes -o ConnectTimeout=10 -T -l ops -i key -- gpu-a.example.com sh"
