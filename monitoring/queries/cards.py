"""What NVIDIA's DCGM and AMD's exporter tell of cards.

A full memory is no fault (vLLM takes its share at start), and a utilisation of 100 % says only that some kernel runs: the
pipes and the memory of the card tell how hard it works (NVIDIA, "DCGM field identifiers").
"""

from __future__ import annotations

from typing import Final

from monitoring.queries.text import narrowed, new
from monitoring.selectors import (
    AMD,
    CARD_BLANK,
    CARD_HOT_CELSIUS,
    JUNCTION_HOT_CELSIUS,
    NVIDIA,
    ROWS_WINDOW,
    XID_CLEANUP,
)

_MIB: Final = 2**20
_JOB: Final = {"nvidia": NVIDIA, "amd": AMD}
# One series that every card has, and the labels that name the card by number and by UUID.
_SIGN: Final = {"nvidia": "DCGM_FI_DEV_GPU_TEMP", "amd": "gpu_junction_temperature"}
_NAMES: Final = {"nvidia": ("gpu", "UUID"), "amd": ("gpu_id", "gpu_uuid")}


def dcgm(field: str, chosen: str = "") -> str:
    """Return a field of DCGM per card, where the card has it."""
    return f"{narrowed(f'DCGM_FI_{field}', chosen)} < {CARD_BLANK}"


def dcgm_memory_used(chosen: str = "") -> str:
    """Return what is taken of a card's memory, in bytes (DCGM tells MiB)."""
    return f"({dcgm('DEV_FB_USED', chosen)}) * {_MIB}"


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
    """Return cards whose memory has errors that couldn't be corrected.

    A card keeps the number of its replaced rows for life, and is well with them: only new ones count.
    """
    if vendor == "amd":
        return "sum by (host, gpu_id) (gpu_ecc_uncorrect_total) > 0"
    rows = f"increase(DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS[{ROWS_WINDOW}]) > 0"
    standing = (f"{dcgm(field)} > 0" for field in ("DEV_ROW_REMAP_FAILURE", "DEV_ECC_DBE_VOL_TOTAL"))
    return " or ".join(f"({one})" for one in (*standing, rows))


def faulted() -> str:
    """Return cards with a fault that their driver reported in the last hour, by its number (Xid)."""
    xid = "DCGM_FI_DEV_XID_ERRORS"
    return f"({dcgm('DEV_XID_ERRORS')} > 0) != {XID_CLEANUP} and (changes({xid}[1h]) > 0 or {new(xid, '1h')})"


def lost(vendor: str) -> str:
    """Return planned cards that their host no longer has, by number or by UUID, while its exporter answers."""
    seen = " or ".join(f'label_replace({_SIGN[vendor]}, "card", "$1", "{label}", "(.*)")' for label in _NAMES[vendor])
    # What `facts` names an AMD card by isn't a label of its exporter's.
    named = ', card!~"GPU-.*"' if vendor == "amd" else ""
    wanted = f'hearth_plan_card_total_bytes{{vendor="{vendor}"{named}}} unless on (host, card) ({seen})'
    return f'({wanted}) and on (host) (max by (host) (up{{job="{_JOB[vendor]}"}}) == 1)'
