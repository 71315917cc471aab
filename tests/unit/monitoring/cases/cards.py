"""Cards, as the exporters of their makers tell of them."""

from __future__ import annotations

from typing import Any

from tests.unit.monitoring.cases.case import Case, of, up
from tests.unit.monitoring.watched import AMD_CARD, CARD_0, CARD_1, target_labels

CRITICAL = ("critical",)
UUIDS = {"0": CARD_0, "1": CARD_1}
BLANK = "9223372036854775794"


def nvidia_labels(gpu: str) -> dict[str, str]:
    return {"gpu": gpu, "UUID": UUIDS[gpu], "device": f"nvidia{gpu}", "modelName": "NVIDIA H100", "Hostname": "one"}


def nvidia(field: str, gpu: str = "0") -> str:
    return of("dcgm_exporter", "dcgm-exporter", f"DCGM_FI_DEV_{field}", **nvidia_labels(gpu))


def amd(metric: str, **more: str) -> str:
    return of("amd_exporter", "amd-exporter", metric, gpu_id="0", gpu_uuid=AMD_CARD, **more)


def seen(first: str = "50x80", second: str = "50x80", amd_card: str = "60x80") -> dict[str, str]:
    """The temperature of every card: the sign of its life."""
    return {nvidia("GPU_TEMP"): first, nvidia("GPU_TEMP", "1"): second, amd("gpu_junction_temperature"): amd_card}


NVIDIA = {**target_labels("dcgm_exporter", "dcgm-exporter"), **nvidia_labels("0")}
AMD = {**target_labels("amd_exporter", "amd-exporter"), "gpu_id": "0", "gpu_uuid": AMD_CARD}
ERRORS = "the memory of card 0 of {} has errors that couldn't be corrected"
XID = "the driver reports fault {} (Xid) of card 0 of one"
XIDS = "XID_ERRORS"
# Two hours, at two samples a minute.
LONG: dict[str, Any] = {"at": "2h", "interval": "30s"}


def lost(card: str, vendor: str, host: str) -> tuple[str, dict[str, str], tuple[str, ...]]:
    labels = {"card": card, "vendor": vendor, "host": host}
    return f"card {card} of {host} is planned and no longer there", labels, CRITICAL


CASES = (
    Case("CardHot", "NVIDIA's", seen(first="86x80"), "card 0 of one has 86 °C", NVIDIA),
    Case("CardHot", "AMD's, at its hottest sensor", seen(amd_card="96x80"), "card 0 of two has 96 °C", AMD),
    Case("CardHot", "warm", seen(first="85x80", amd_card="95x80")),
    Case("CardHot", "for a moment", seen(first="60x65 90x15")),
    Case("CardHot", "can't be read", seen(first=f"{BLANK}x80")),
    Case(
        "CardMemoryErrors", "NVIDIA's, since the driver was loaded",
        {nvidia("ECC_DBE_VOL_TOTAL"): "0x60 1x20"}, ERRORS.format("one"), NVIDIA, CRITICAL,
    ),
    Case(
        "CardMemoryErrors", "a row can't be replaced",
        {nvidia("ROW_REMAP_FAILURE"): "1x80"}, ERRORS.format("one"), NVIDIA, CRITICAL,
    ),
    Case(
        "CardMemoryErrors", "a row was replaced just now",
        {nvidia("UNCORRECTABLE_REMAPPED_ROWS"): "2x60 3x20"}, ERRORS.format("one"), NVIDIA, CRITICAL,
    ),
    Case(
        "CardMemoryErrors", "all of it at once is one alert",
        {nvidia("ECC_DBE_VOL_TOTAL"): "0x60 1x20", nvidia("UNCORRECTABLE_REMAPPED_ROWS"): "2x60 3x20"},
        ERRORS.format("one"), NVIDIA, CRITICAL,
    ),
    Case(
        "CardMemoryErrors", "AMD's",
        {amd("gpu_ecc_uncorrect_total"): "0x60 1x20"}, ERRORS.format("two"), {"host": "two", "gpu_id": "0"}, CRITICAL,
    ),
    Case(
        "CardMemoryErrors", "a row was replaced years ago",
        {nvidia("UNCORRECTABLE_REMAPPED_ROWS"): "2x80", nvidia("ROW_REMAP_FAILURE"): "0x80"},
    ),
    Case(
        "CardMemoryErrors", "a card without ECC",
        {nvidia("ECC_DBE_VOL_TOTAL"): f"{BLANK}x80", nvidia("ROW_REMAP_FAILURE"): f"{BLANK}x80"},
    ),
    Case("CardMemoryErrors", "none", {nvidia("ECC_DBE_VOL_TOTAL"): "0x80", amd("gpu_ecc_uncorrect_total"): "0x80"}),
    Case("CardFault", "fell off the bus", {nvidia(XIDS): "0x60 79x20"}, XID.format("79"), NVIDIA, CRITICAL),
    Case(
        "CardFault", "the first that is told at all",
        {nvidia(XIDS): "_x220 79x20"}, XID.format("79"), NVIDIA, CRITICAL, **LONG,
    ),
    Case("CardFault", "another one", {nvidia(XIDS): "31x60 48x20"}, XID.format("48"), NVIDIA, CRITICAL),
    Case("CardFault", "an engine was killed", {nvidia(XIDS): "0x60 45x20"}),
    Case("CardFault", "longer than an hour ago", {nvidia(XIDS): "0x50 79x190"}, **LONG),
    Case("CardFault", "the exporter was started anew, and an old fault is gone", {nvidia(XIDS): "79x60 _x4 0x16"}),
    Case(
        "CardFault", "Prometheus was away for a while, and the fault is old",
        {nvidia(XIDS): "79x110 _x20 79x110", up("dcgm_exporter", "dcgm-exporter"): "1x110 _x20 1x110"}, **LONG,
    ),
    Case("CardFault", "can't be read", {nvidia(XIDS): f"0x60 {BLANK}x20"}),
    Case("CardLost", "NVIDIA's", seen(second="50x60 stale"), *lost("1", "nvidia", "one")),
    Case("CardLost", "AMD's", seen(amd_card="50x60 stale"), *lost("0", "amd", "two")),
    Case("CardLost", "all are there", seen()),
    Case(
        "CardLost", "the exporter is what is away",
        {up("dcgm_exporter", "dcgm-exporter"): "1x60 0x20", **seen("50x60 stale", "50x60 stale")},
    ),
    Case(
        "CardLost", "the exporter starts",
        {up("dcgm_exporter", "dcgm-exporter"): "1x60 0x10 1x10", **seen("50x60 stale _x16 50x4", "50x60 stale _x16 50x4")},
    ),
)  # fmt: skip
# Over a stack whose cards are named by UUID, and over one that has both.
BY_UUID = (
    Case("CardLost", "by UUID", seen(second="50x60 stale"), *lost(CARD_1, "nvidia", "one")),
    Case("CardLost", "all are there, by UUID", seen()),
)  # fmt: skip
BOTH_WAYS = (
    Case("CardLost", "the one with a number", seen(first="50x60 stale"), *lost("0", "nvidia", "one")),
    Case("CardLost", "AMD's by UUID", seen(amd_card="50x60 stale"), *lost(AMD_CARD, "amd", "two")),
    Case("CardLost", "all are there, both ways", seen()),
)  # fmt: skip
