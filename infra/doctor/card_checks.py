"""Cards: driver, identity and who else is on them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from infra.catalogue.drivers import COMPATIBLE_BRANCH, branch_of
from infra.catalogue.gpus import find_gpu
from infra.config.inventory import Gpu
from infra.config.types import size_text
from infra.doctor.asked import Asked
from infra.doctor.finding import error, listed, notice, warning
from infra.doctor.report import CardUser, HostReport
from infra.errors import Finding
from infra.facts.cards import Card
from infra.interval import GIB

_COMPATIBLE: Final = "VLLM_ENABLE_CUDA_COMPATIBILITY"
# Every driver from 525 on runs programs of CUDA 12.
_NEEDS_NO_HELP: Final = 12
# nvidia-smi's total is up to 1.5 % above what CUDA reports; a plan is wrong beyond that.
_MEMORY_SHARE: Final = 0.02


def driver(asked: Asked, report: HostReport) -> Finding | None:
    """NVIDIA's driver answers, and runs the images' version of CUDA."""
    on_cards = asked.on_cards("cuda")
    if not on_cards:
        return None
    if not report.cards:
        said = report.card_trouble or "nvidia-smi lists no card"
        fix = "install NVIDIA's driver there, or look at the kernel log (`dmesg`); 124 means that nvidia-smi hung"
        return error(asked, f"its driver tells of no card: {said}", fix)
    version = next((card.driver for card in report.cards if card.driver), None)
    branch, floors = branch_of(version), asked.floors
    too_new = {image: floor for image, floor in floors.items() if branch is not None and branch < floor.branch}
    if not too_new or branch is None:
        return None
    image, floor = max(too_new.items(), key=lambda item: item[1].branch)
    problem = f"the NVIDIA driver is {version}, and {image} (CUDA {floor.cuda}) needs {floor.branch} or newer"
    concerned = [workload for workload in on_cards if workload.image in too_new]
    compatible = branch >= COMPATIBLE_BRANCH and floor.cuda > _NEEDS_NO_HELP
    if compatible and all(workload.environment.get(_COMPATIBLE) == "1" for workload in concerned):
        return notice(asked, f"{problem}; {_COMPATIBLE}=1 makes it do on data-centre cards", "install a newer driver")
    fix = f"install driver {floor.branch} or newer"
    if compatible:
        fix += f"; on data-centre cards hearth:engines.environment {{{_COMPATIBLE}: '1'}} does, too"
    return error(asked, problem, fix)


def cards(asked: Asked, report: HostReport) -> Finding | None:
    """The cards that containers are given are there, and are what the inventory says."""
    if not asked.used_cards or not report.cards:
        return None
    problems = [problem for gpu in asked.used_cards for problem in _wrong_with(gpu, report.cards)]
    if not problems:
        return None
    fix = f"`python -m infra facts {asked.section.connection}` prints what is there; write it to the inventory"
    return error(asked, "; ".join(problems), fix)


def _wrong_with(gpu: Gpu, there: tuple[Card, ...]) -> Iterator[str]:
    card = _card_of(gpu, there)
    if card is None:
        yield f"card {gpu.id} ({gpu.model}) isn't there, of {listed(one.id for one in there)}"
        return
    wanted, found = find_gpu(gpu.model), find_gpu(card.model)
    if wanted is not None and found is not None and wanted.name != found.name:
        yield f"card {gpu.id} is a {card.model}, not a {gpu.model}"
    elif gpu.memory and card.memory_bytes and gpu.memory > card.memory_bytes * (1 + _MEMORY_SHARE):
        yield f"card {gpu.id} has {size_text(card.memory_bytes)}, not {size_text(gpu.memory)}"
    parts = {uuid for uuid, _ in card.mig}
    lacking = [part.id for part in gpu.mig if part.id not in parts]
    if lacking:
        yield f"card {gpu.id} has no part {listed(lacking)}, only {listed(sorted(parts)) or 'none'}"
    elif card.mig_on and not gpu.mig:
        yield f"card {gpu.id} is split (MIG), and an engine is placed on the whole of it"


def _card_of(gpu: Gpu, there: tuple[Card, ...]) -> Card | None:
    if gpu.id.isdecimal():
        return next((card for card in there if card.index == int(gpu.id)), None)
    return next((card for card in there if card.id == gpu.id), None)


def card_order(asked: Asked, report: HostReport) -> Finding | None:
    """Cards are where they were: one that moved or came is told."""
    known = {gpu.id: gpu for gpu in asked.section.gpus}
    by_number = all(name.isdecimal() for name in known)
    if not known or not report.cards:
        return None
    new = [] if by_number else [f"{card.id} ({card.model})" for card in report.cards if card.id not in known]
    if by_number and len(report.cards) > len(known):
        new = [f"{card.index} ({card.model})" for card in report.cards if str(card.index) not in known]
    moved = [
        f"{card.id} from {known[card.id].index} to {card.index}"
        for card in report.cards
        if card.id in known and known[card.id].index not in {None, card.index}
    ]
    told = [f"has cards that the inventory lacks: {listed(new)}"] if new else []
    told += (
        [f"numbers of cards have changed ({listed(moved)}), which engines don't mind: UUIDs name them"] if moved else []
    )
    if not told:
        return None
    fix = f"`python -m infra facts {asked.section.connection}` prints them as inventory"
    return notice(asked, "; ".join(told), fix)


def card_users(asked: Asked, report: HostReport) -> Finding | None:
    """Nobody else is on the cards of engines."""
    own = {container.id for container in report.own(asked.stack)}
    used = {card.id for gpu in asked.engine_cards if (card := _card_of(gpu, report.cards)) is not None}
    used |= {part.id for gpu in asked.engine_cards for part in gpu.mig}
    foreign = [one for one in report.card_users if one.container not in own and (not one.card or one.card in used)]
    if not used or not foreign:
        return None
    names = {container.id: container.name for container in report.containers}
    told = listed(_told(one, names) for one in foreign)
    held = sum(one.memory_bytes or 0 for one in foreign) / GIB
    problem = f"others hold {held:.1f} GiB of the engines' cards: {told}"
    return warning(asked, problem, "end them, or plan for what they leave with a smaller memory of the card")


def _told(user: CardUser, names: dict[str, str]) -> str:
    where = f" in container {names[user.container]}" if user.container in names else ""
    return f"{user.program or 'a process'} (pid {user.pid}{where}, card {user.card or 'unknown'})"


def rocm(asked: Asked, report: HostReport) -> Finding | None:
    """The device files of AMD's cards are there, and the groups that may use them are those of the inventory."""
    on_cards = asked.on_cards("rocm")
    if not on_cards:
        return None
    wanted = sorted({node for workload in on_cards for node in workload.device_nodes})
    lacking = [] if report.has_kfd else ["/dev/kfd"]
    lacking += [node for node in wanted if node not in report.render_nodes]
    lacking += ["/dev/dri/renderD*"] if not report.render_nodes and not wanted else []
    if lacking:
        problem = f"device files of AMD's cards are missing: {listed(lacking)}"
        return error(asked, problem, "install AMD's kernel driver (amdgpu-dkms), load amdgpu, and reboot")
    groups = sorted({number for workload in on_cards for number in workload.device_groups})
    unknown = [number for number in groups if number not in report.device_groups]
    if report.device_groups and unknown:
        problem = f"device_groups has {listed(unknown)}, and video and render are {listed(report.device_groups)} here"
        return error(asked, problem, f"set hearth:inventory.hosts.{asked.host}.device_groups to these")
    return None
