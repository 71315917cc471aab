"""What a host is, collected over one connection."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from infra.errors import Finding, Severity
from infra.facts import cards, machine
from infra.facts.cards import Card
from infra.facts.machine import Engine, FileSystem, Processor
from infra.facts.script import SCRIPT, Answers, answers
from infra.ssh import ssh_command

LOCAL: Final = "local"
_GIB: Final = 2**30
_TIMEOUT_S: Final = 240
_SSH_FAILED: Final = 255
_DOCKER_ADVICE: Final = "install Docker, start it, and let this user talk to it (group docker)"


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    said: str


class Run(Protocol):
    """Runs a command with a text on its standard input; raises OSError or subprocess.TimeoutExpired."""

    def __call__(self, argv: Sequence[str], given: str) -> Ran:
        """Run it to its end."""


@dataclass(frozen=True)
class HostFacts:
    """What was found on one host. `findings` with an error: it couldn't be asked, and nothing else is known."""

    connection: str
    processor: Processor = field(default_factory=Processor)
    memory_bytes: int | None = None
    node_memory_bytes: dict[int, int] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    docker: Engine | None = None
    device_groups: tuple[int, ...] = ()
    disks: tuple[tuple[str, FileSystem], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the host answered."""
        return not any(finding.severity is Severity.ERROR for finding in self.findings)

    def section(self) -> dict[str, Any]:
        """Return what belongs below the host's name in an inventory. A host without cards says so."""
        if not self.is_known:
            return {}
        cpu = self.processor
        nodes = [_present({"cores": cores, "memory": _gib(self._memory_of(node))}) for node, cores in cpu.node_cores]
        disks = [
            {"path": path, "size": _gib(disk.size_bytes), "free": _gib(disk.free_bytes)}
            for path, disk in self.disks
            if disk.size_bytes
        ]
        about = {"model": cpu.model, "flags": list(cpu.flags), "threads_per_core": cpu.threads_per_core}
        section = {
            "cores": cpu.cores,
            "memory": _gib(self.memory_bytes),
            "numa_nodes": nodes,
            "cpu": _present(about) if cpu.model or cpu.flags else None,
            "driver": next((card.driver for card in self.cards if card.driver), None),
            "gpu_access": self.gpu_access,
            "device_groups": list(self.device_groups) if any(card.vendor == "amd" for card in self.cards) else None,
            "disks": [_present(disk) for disk in disks],
        }
        return {**_present(section), "gpus": [_card_section(card) for card in self.cards]}

    @property
    def gpu_access(self) -> str | None:
        """How Docker should be asked for its NVIDIA cards; None where it has none, or can't give them away."""
        ids = _nvidia_ids(self.cards)
        if self.docker is None or not ids:
            return None
        if self.docker.gives_by_cdi(ids):
            return "cdi"
        return "device-request" if "nvidia" in self.docker.runtimes else None

    def _memory_of(self, node: int) -> int | None:
        # A lone node has it all. (Its own figure leaves out memory that a virtual machine was given later.)
        return self.memory_bytes if len(self.processor.node_cores) == 1 else self.node_memory_bytes.get(node)


def run_command(argv: Sequence[str], given: str) -> Ran:
    """Run a command of this machine."""
    done = subprocess.run(argv, input=given.encode(), capture_output=True, timeout=_TIMEOUT_S, check=False)
    return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def collect(connection: str, run: Run = run_command, ssh_options: Sequence[str] = ()) -> HostFacts:
    """Ask a host (`local`, `unix:///path/of/docker.sock` or `ssh://user@host:port`) what it is. Never raises."""
    argv, script, wrong = shell_of(connection, SCRIPT, ssh_options)
    if wrong:
        return HostFacts(connection, findings=(wrong,))
    try:
        ran = run(argv, script)
    except subprocess.TimeoutExpired:
        return _unreachable(connection, f"didn't answer within {_TIMEOUT_S} s", "look at it by hand, then ask again")
    except OSError as error:
        return _unreachable(connection, f"{argv[0]} can't be run: {error.strerror or error}", f"install {argv[0]}")
    answered = answers(ran.out)
    if not answered.is_whole:
        said = " ".join(ran.said.split())[-300:] or f"exit status {ran.code}"
        how = "can't be reached" if ran.code == _SSH_FAILED else "stopped answering"
        fix = f"make `{' '.join(argv[:-1])} true` work without a password" if len(argv) > 1 else "run it again"
        return _unreachable(connection, f"{how}: {said}", fix)
    return _understood(connection, answered)


def shell_of(connection: str, script: str, ssh_options: Sequence[str] = ()) -> tuple[list[str], str, Finding | None]:
    """Return the shell of a host, and the script that it is to be given; or what is wrong with the connection."""
    if connection == LOCAL:
        return ["sh"], script, None
    if re.fullmatch(r"unix:///[\w./-]+", connection):
        return ["sh"], f"DOCKER_HOST={connection}; export DOCKER_HOST\n{script}", None
    try:
        return [*ssh_command(connection, ssh_options), "sh"], script, None
    except ValueError:
        problem = f"{connection!r} is no way to a host"
        return [], "", Finding(connection, problem, "write local, ssh://user@host:port or unix:///path/of/docker.sock")


def _understood(connection: str, answered: Answers) -> HostFacts:
    found: list[Finding] = []
    seen = _cards(connection, answered, found)
    docker = machine.engine(answered.text("docker"))
    facts = HostFacts(
        connection,
        processor=machine.processor(answered.text("lscpu")),
        memory_bytes=machine.memory_bytes(answered.text("meminfo")),
        node_memory_bytes=machine.node_memory_bytes(answered.of("numa").out),
        cards=seen,
        docker=docker,
        device_groups=machine.group_numbers(answered.of("device-groups").out),
        disks=_disks(answered),
    )
    if docker is None:
        said = answered.of("docker").said or "docker info says nothing"
        problem = f"no Docker answers: {' '.join(said.split())[:200]}"
        found.append(Finding(connection, problem, _DOCKER_ADVICE, Severity.WARNING))
    else:
        found += _access_findings(connection, docker, seen)
    if facts.processor.cores is None:
        said = answered.of("lscpu").said or "nothing"
        found.append(
            Finding(connection, f"its cores are unknown; lscpu said: {said}", "install util-linux", Severity.WARNING)
        )
    elif docker and docker.cores and docker.cores < facts.processor.cores:
        problem = f"Docker has {docker.cores} of its {facts.processor.cores} cores"
        found.append(Finding(connection, problem, "write the smaller number by hand", Severity.WARNING))
    return replace(facts, findings=tuple(found))


def _access_findings(connection: str, docker: Engine, seen: tuple[Card, ...]) -> list[Finding]:
    ids = _nvidia_ids(seen)
    if not ids or docker.gives_by_cdi(ids):
        return []
    if not docker.has_cdi and "nvidia" not in docker.runtimes:
        problem = f"has {len(ids)} cards, but Docker {docker.version} knows neither the nvidia runtime nor CDI devices"
        return [Finding(connection, problem, "install the NVIDIA Container Toolkit", Severity.WARNING)]
    if docker.has_cdi:
        problem = f"Docker {docker.version} lists CDI devices, but not {', '.join(ids)}"
        fix = "run `nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml`, then ask again"
        return [Finding(connection, problem, fix, Severity.NOTICE)]
    return []


def _nvidia_ids(seen: tuple[Card, ...]) -> list[str]:
    """Return the names that engines get cards by: of a split card those of its parts."""
    return [name for card in seen if card.vendor == "nvidia" for name in ([uuid for uuid, _ in card.mig] or [card.id])]


def cards_of(answered: Answers) -> tuple[Card, ...]:
    """Return the cards that the answers to script.CARDS tell of: NVIDIA's, else AMD's."""
    seen = cards.nvidia_cards(
        answered.text("nvidia-cards"), answered.text("nvidia-list"), answered.text("nvidia-topology")
    )
    if not seen:
        seen = cards.rocm_cards(answered.text("rocm-smi")) or cards.amd_cards(answered.text("amd-smi"))
        seen = cards.with_render_nodes(seen, answered.of("render-nodes").out)
    return seen


def _cards(connection: str, answered: Answers, found: list[Finding]) -> tuple[Card, ...]:
    listing, seen = answered.of("nvidia-cards"), cards_of(answered)
    if listing.is_there and listing.code:
        said = " ".join(f"{listing.out} {listing.said}".split())[:200]
        fix = "look at the kernel log (dmesg) and the driver; 124 means that it hung"
        found.append(
            Finding(connection, f"nvidia-smi failed with status {listing.code}: {said}", fix, Severity.WARNING)
        )
    small = [card for card in seen if card.memory_bytes is not None and card.memory_bytes < _GIB]
    found += [
        Finding(
            connection,
            f"card {card.index} ({card.model}) has {_gib(card.memory_bytes)}: part of the processor, perhaps",
            "remove it from gpus: where no engine should run on it",
            Severity.NOTICE,
        )
        for card in small
    ]
    return seen


def _disks(answered: Answers) -> tuple[tuple[str, FileSystem], ...]:
    """Return Docker's directory, and / where that is another file system."""
    docker = machine.file_system(answered.text("disk-docker"))
    root = machine.file_system(answered.text("disk-root"))
    seen = [(answered.docker_root, docker)] if docker else []
    if root and (docker is None or (docker.source, docker.size_bytes) != (root.source, root.size_bytes)):
        seen.append(("/", root))
    return tuple(seen)


def _card_section(card: Card) -> dict[str, Any]:
    mig = [{"id": uuid, "profile": profile} for uuid, profile in card.mig]
    section = {"id": card.id, "model": card.model, "memory": _gib(card.memory_bytes), "index": card.index}
    section |= {"render_node": card.render_node}
    return _present({**section, "nvlink": list(card.nvlink), "mig": mig})


def _unreachable(connection: str, problem: str, fix: str) -> HostFacts:
    return HostFacts(connection, findings=(Finding(connection, problem, fix),))


def _present(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value is not None and value != []}


def _gib(size_bytes: int | None) -> str | None:
    """Write a size with two decimals, rounded down: nobody has memory that rounding made."""
    if not size_bytes:
        return None
    hundredths = size_bytes * 100 // _GIB
    if not hundredths:
        return f"{size_bytes}B"
    return f"{hundredths // 100}.{hundredths % 100:02}".rstrip("0").rstrip(".") + "GiB"
