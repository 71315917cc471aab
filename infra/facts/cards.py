"""The cards of a host, from what nvidia-smi, rocm-smi and amd-smi print."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

_MIB: Final = 2**20
_CSV_FIELDS: Final = 8
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_CARD_LINE: Final = re.compile(r"GPU (\d+): (.+) \(UUID: (GPU-[0-9A-Fa-f-]+)\)")
_MIG_LINE: Final = re.compile(r"MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-\S+)\)")
_RENDER_NODE: Final = re.compile(r"^/sys/class/drm/(renderD\d{1,6})/device/uevent:PCI_SLOT_NAME=(\S+)$", re.MULTILINE)
_COLUMN: Final = re.compile(r"(?:GPU|NIC|mlx|HCA|IB)\S*\d+\S*")


@dataclass(frozen=True)
class Card:
    """One card as its driver describes it."""

    id: str
    model: str
    index: int
    memory_bytes: int | None = None
    driver: str | None = None
    compute_capability: str | None = None
    bus: str | None = None
    vendor: str = "nvidia"
    render_node: str | None = None
    mig_on: bool = False
    mig: tuple[tuple[str, str], ...] = ()
    nvlink: tuple[str, ...] = ()


def nvidia_cards(cards_csv: str, listing: str, topology: str) -> tuple[Card, ...]:
    """Join three answers of nvidia-smi.

    `memory.total` counts what the driver keeps for itself: an H100 80GB says 81559 MiB (79.65 GiB), and CUDA, which
    is what an engine can have, sees 79.18 GiB of that. A plan that fills the card to the last GiB must know.
    """
    parts = mig_devices(listing)
    links = nvlinks(topology)
    rows = [[cell.strip() for cell in row] for row in csv.reader(cards_csv.splitlines()) if len(row) == _CSV_FIELDS]
    rows = [row for row in rows if row[0].isascii() and row[0].isdigit() and row[1].startswith("GPU-")]
    ids = {int(row[0]): row[1] for row in rows}
    return tuple(
        Card(
            id=uuid,
            model=name,
            index=int(index),
            memory_bytes=int(memory) * _MIB if memory.isascii() and memory.isdigit() else None,
            driver=_known(driver),
            compute_capability=_known(capability),
            mig_on=mig == "Enabled",
            bus=_known(bus),
            mig=parts.get(uuid, ()),
            nvlink=tuple(ids[other] for other in sorted(links.get(int(index), ())) if other in ids),
        )
        for index, uuid, name, memory, driver, capability, mig, bus in rows
    )


def mig_devices(listing: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """Read `nvidia-smi -L`: the MIG devices (UUID, profile) of every card that has some."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    card = ""
    for line in listing.splitlines():
        if match := _CARD_LINE.fullmatch(line.strip()):
            card = match[3]
        elif (match := _MIG_LINE.fullmatch(line.strip())) and card:
            found[card] = (*found.get(card, ()), (match[3], match[1]))
    return found


def nvlinks(topology: str) -> dict[int, set[int]]:
    """Read `nvidia-smi topo -m`: which cards (by index) each card reaches over NVLink (NV1 to NV18)."""
    found: dict[int, set[int]] = {}
    columns: list[str] = []
    for raw in topology.splitlines():
        words = _COLOUR.sub("", raw).split()
        if not columns:
            columns = [word for word in words if _COLUMN.fullmatch(word)]
            continue
        match = re.fullmatch(r"GPU(\d+)", words[0]) if words else None
        if not match:
            continue
        near = {
            int(column[3:])
            for column, cell in zip(columns, words[1:], strict=False)
            if re.fullmatch(r"GPU\d+", column) and re.fullmatch(r"NV\d+", cell)
        }
        if near:
            found[int(match[1])] = near
    return found


def rocm_cards(printed: str) -> tuple[Card, ...]:
    """Read the JSON of rocm-smi. Its keys changed their spelling between versions, so case doesn't count."""
    data = _json(printed)
    if not isinstance(data, dict):
        return ()
    system = _lowered(data.get("system"))
    cards = []
    for name, raw in data.items():
        match = re.fullmatch(r"card:?(\d+)", str(name))
        if not match:
            continue
        fields = _lowered(raw)
        index = int(match[1])
        size = str(fields.get("vram total memory (b)", ""))
        model = next(
            (_known(fields.get(key)) for key in ("card series", "device name", "card model") if fields.get(key)), None
        )
        cards.append(
            Card(
                id=_amd_id(fields.get("unique id"), index),
                model=model or "AMD card",
                index=index,
                memory_bytes=int(size) if size.isascii() and size.isdigit() and int(size) else None,
                bus=_known(fields.get("pci bus")),
                vendor="amd",
                driver=_known(system.get("driver version")) or _known(fields.get("driver version")),
            )
        )
    return tuple(sorted(cards, key=lambda card: card.index))


def amd_cards(printed: str) -> tuple[Card, ...]:
    """Read the JSON of `amd-smi static`: a list, or since ROCm 7 a list below gpu_data."""
    data = _json(printed)
    if isinstance(data, dict):
        data = data.get("gpu_data", [])
    cards = []
    for entry in data if isinstance(data, list) else ():
        fields = _lowered(entry)
        index = fields.get("gpu")
        if not isinstance(index, int) or isinstance(index, bool):
            continue
        asic, driver = _lowered(fields.get("asic")), _lowered(fields.get("driver"))
        cards.append(
            Card(
                id=_amd_id(asic.get("asic_serial"), index),
                model=_known(asic.get("market_name")) or "AMD card",
                index=index,
                memory_bytes=_amd_size(_lowered(fields.get("vram"))),
                bus=_known(_lowered(fields.get("bus")).get("bdf")),
                vendor="amd",
                driver=_known(driver.get("version")) or _known(driver.get("driver_version")),
            )
        )
    return tuple(sorted(cards, key=lambda card: card.index))


def with_render_nodes(cards: tuple[Card, ...], printed: str) -> tuple[Card, ...]:
    """Add each card's device file, from `PCI_SLOT_NAME` of every render node's uevent in sysfs.

    Parts of a split card have one bus address in common, and device files that aren't told apart by it: they get none.
    """
    nodes = {bus.lower(): f"/dev/dri/{name}" for name, bus in _RENDER_NODE.findall(printed)}
    buses = [(card.bus or "").lower() for card in cards]
    return tuple(
        replace(card, render_node=nodes.get(bus)) if buses.count(bus) == 1 else card
        for card, bus in zip(cards, buses, strict=True)
    )


def _amd_id(serial: Any, index: int) -> str:
    """Return the name that ROCR_VISIBLE_DEVICES understands: GPU- and 16 hexadecimal digits; the index without."""
    match = re.fullmatch(r"0x([0-9A-Fa-f]{1,16})", str(serial))
    return f"GPU-{match[1].lower():0>16}" if match and match[1].strip("0") else str(index)


def _amd_size(vram: Mapping[str, Any]) -> int | None:
    size = vram.get("size", vram.get("vram_size"))
    value, unit = (size.get("value"), size.get("unit")) if isinstance(size, dict) else (size, "MB")
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 2**63:
        return None
    # amd-smi writes MB and means MiB: an MI300X has 196592 of them, which is its 192 GiB less 16 MiB.
    return int(value) * {"B": 1, "KB": 2**10, "GB": 2**30}.get(str(unit), _MIB)


def _json(printed: str) -> Any:
    """Read the JSON in an answer; rocm-smi may print warnings before it."""
    start = re.search(r"^[ \t]*[\[{]", printed, re.MULTILINE)
    try:
        return json.loads(printed[start.start() :]) if start else None
    except (ValueError, RecursionError):
        return None


def _lowered(value: Any) -> dict[str, Any]:
    return {str(key).lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def _known(value: Any) -> str | None:
    text = str(value).strip() if value is not None else ""
    return text if text and text != "N/A" and not text.startswith("[") else None
