"""What NVIDIA's DCGM and AMD's exporter tell of cards.

A full memory is no fault (vLLM takes its share at start), and a utilisation of 100 % says only that some kernel runs: the
pipes and the memory of the card tell how hard it works (NVIDIA, "DCGM field identifiers").
"""

from __future__ import annotations

from typing import Final

from monitoring.queries.text import narrowed
from monitoring.selectors import AMD, CARD_BLANK, CARD_HOT_CELSIUS, JUNCTION_HOT_CELSIUS, NVIDIA
from monitoring.subjects import Subjects

_MIB: Final = 2**20
_JOB: Final = {"nvidia": NVIDIA, "amd": AMD}
# One series that every card has, and the label that names the card by number.
_SIGN: Final = {"nvidia": "DCGM_FI_DEV_GPU_TEMP", "amd": "gpu_junction_temperature"}
_NUMBER: Final = {"nvidia": "gpu", "amd": "gpu_id"}
_UUID: Final = {"nvidia": "UUID", "amd": "gpu_uuid"}


def dcgm(field: str, chosen: str = "") -> str:
    """Return a field of DCGM per card, where the card has it."""
    return f"{narrowed(f'DCGM_FI_{field}', chosen)} < {CARD_BLANK}"


def dcgm_memory_used(chosen: str = "") -> str:
    """Return what is taken of a card's memory, in bytes (DCGM tells MiB)."""
    return f"{narrowed('DCGM_FI_DEV_FB_USED', chosen)} * {_MIB}"


def amd(metric: str, chosen: str = "") -> str:
    """Return a figure of AMD's exporter per card."""
    return narrowed(metric, chosen)


def amd_memory_used(chosen: str = "") -> str:
    """Return what is taken of an AMD card's memory, in bytes (its exporter tells MB of 2^20 bytes)."""
    return f"{narrowed('gpu_used_vram', chosen)} * {_MIB}"


def hot(vendor: str) -> str:
    """Return cards that are about to slow themselves down, in degrees Celsius."""
    if vendor == "nvidia":
        return f"{dcgm('DEV_GPU_TEMP')} > {CARD_HOT_CELSIUS}"
    return f"{_SIGN['amd']} > {JUNCTION_HOT_CELSIUS}"


def memory_errors(vendor: str) -> str:
    """Return cards whose memory has errors that couldn't be corrected."""
    if vendor == "amd":
        return "sum by (host, gpu_id) (gpu_ecc_uncorrect_total) > 0"
    fields = ("DEV_UNCORRECTABLE_REMAPPED_ROWS", "DEV_ROW_REMAP_FAILURE", "DEV_ECC_DBE_VOL_TOTAL")
    return " or ".join(f"({dcgm(field)} > 0)" for field in fields)


def faulted() -> str:
    """Return cards with a fault that their driver reported in the last hour, by its number (Xid)."""
    xid = "DCGM_FI_DEV_XID_ERRORS"
    return f"{xid} > 0 and (changes({xid}[1h]) > 0 or {xid} unless {xid} offset 1h)"


def lost(vendor: str, subjects: Subjects) -> str:
    """Return planned cards that their host no longer has, while its exporter answers."""
    names = [card.name for card in subjects.cards if card.vendor == vendor]
    label = _NUMBER[vendor] if all(name.isdigit() for name in names) else _UUID[vendor]
    seen = f'label_replace({_SIGN[vendor]}, "card", "$1", "{label}", "(.*)")'
    wanted = f'hearth_plan_card_total_bytes{{vendor="{vendor}"}} unless on (host, card) {seen}'
    return f'({wanted}) and on (host) (max by (host) (up{{job="{_JOB[vendor]}"}}) == 1)'
