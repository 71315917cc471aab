"""Hosts and cards."""

from __future__ import annotations

from tests.unit.monitoring.cases.case import CRITICAL, WARNING, Case, series, up

NODE = {"job": "node_exporter", "instance": "node-exporter", "host": "box"}
ON_BOX = {"host": "box", "instance": "node-exporter", "device": "/dev/vda"}
DCGM = {"job": "dcgm_exporter", "instance": "dcgm-exporter", "host": "box"}
AMD = {"job": "amd_exporter", "instance": "amd-exporter", "host": "box-2"}


def disk(what: str, device: str = "/dev/vda", fstype: str = "ext4", mountpoint: str = "/") -> str:
    return series(f"node_filesystem_{what}", **NODE, device=device, fstype=fstype, mountpoint=mountpoint)


def memory(what: str) -> str:
    return series(f"node_memory_Mem{what}_bytes", **NODE)


def nvidia(field: str, number: str = "0") -> str:
    return series(f"DCGM_FI_DEV_{field}", **DCGM, gpu=number, UUID=f"GPU-{number}", modelName="H100")


def amd(metric: str, number: str = "0") -> str:
    return series(f"gpu_{metric}", **AMD, gpu_id=number, gpu_uuid=f"uuid-{number}")


def card(number: str = "0") -> dict[str, str]:
    return {**DCGM, "gpu": number, "UUID": f"GPU-{number}", "modelName": "H100"}


BOTH_THERE = {nvidia("GPU_TEMP"): "40x80", nvidia("GPU_TEMP", "1"): "40x80"}
# On the other host: two engines and AMD's exporter.
ALL_OF_BOX_2 = {
    up("vllm", "chat-1"): "1x70 0x10",
    up("supervision", "chat-1"): "1x70 0x10",
    up("amd_exporter", "amd-exporter"): "1x70 0x10",
}

CASES = (
    Case("HostDown", "nothing answers", ALL_OF_BOX_2, "nothing on box-2 answers any more", {**CRITICAL, "host": "box-2"}),
    Case("HostDown", "its exporter does", {**ALL_OF_BOX_2, up("amd_exporter", "amd-exporter"): "1x80"}),
    Case(
        "DiskFilling", "one disk in two places",
        {disk("avail_bytes"): "9x80", disk("size_bytes"): "100x80", disk("avail_bytes", mountpoint="/data"): "9x80",
         disk("size_bytes", mountpoint="/data"): "100x80"},
        "/dev/vda of box has 9% left", {**WARNING, **ON_BOX},
    ),
    Case("DiskFilling", "11 % left", {disk("avail_bytes"): "11x80", disk("size_bytes"): "100x80"}),
    Case(
        "DiskFilling", "what can't be written to is full by nature",
        {disk("avail_bytes", "/dev/sr0", "iso9660"): "0x80", disk("size_bytes", "/dev/sr0", "iso9660"): "100x80",
         disk("readonly", "/dev/sr0", "iso9660"): "1x80"},
    ),
    # Eight of ten thousand in 2 min: 30 % are gone in twelve and a half hours.
    Case(
        "DiskFullSoon", "30 % left, falling", {disk("avail_bytes"): "6000-8x400", disk("size_bytes"): "10000x400"},
        "/dev/vda of box has 30% left and will be full within a day", {**WARNING, **ON_BOX}, at="12h30m",
    ),
    Case("DiskFullSoon", "falling, and far from full", {disk("avail_bytes"): "9500-16x400", disk("size_bytes"): "10000x400"}, at="8h"),
    Case("DiskFullSoon", "30 % left, steady", {disk("avail_bytes"): "3000x400", disk("size_bytes"): "10000x400"}, at="8h"),
    Case(
        "MemoryLow", "4 % left", {memory("Available"): "4x80", memory("Total"): "100x80"},
        "box has 4% of its memory left", {**CRITICAL, **NODE},
    ),
    Case("MemoryLow", "6 % left", {memory("Available"): "6x80", memory("Total"): "100x80"}),
    Case(
        "EndedForMemory", "one program", {series("node_vmstat_oom_kill", **NODE): "3x70 4x10"},
        "the kernel of box has ended a program for memory", {**WARNING, **NODE},
    ),
    Case("EndedForMemory", "long ago", {series("node_vmstat_oom_kill", **NODE): "2x30 3x50"}),
    Case("CardHot", "nvidia", {nvidia("GPU_TEMP"): "88x80"}, "card 0 of box has 88 °C", {**WARNING, **card()}),
    Case("CardHot", "nvidia, and what can't be read", {nvidia("GPU_TEMP"): "85x80", nvidia("GPU_TEMP", "1"): "9223372036854775794x80"}),
    Case(
        "CardHot", "amd", {amd("junction_temperature"): "99x80"}, "card 0 of box-2 has 99 °C",
        {**WARNING, **AMD, "gpu_id": "0", "gpu_uuid": "uuid-0"},
    ),
    Case("CardHot", "amd, as usual under load", {amd("junction_temperature"): "90x80"}),
    Case(
        "CardMemoryErrors", "nvidia, a replaced row",
        {nvidia("UNCORRECTABLE_REMAPPED_ROWS"): "0x70 1x10", nvidia("ROW_REMAP_FAILURE"): "0x80"},
        "the memory of card 0 of box has errors that couldn't be corrected", {**CRITICAL, **card()},
    ),
    Case(
        "CardMemoryErrors", "nvidia, corrected ones",
        {nvidia("CORRECTABLE_REMAPPED_ROWS"): "3x80", nvidia("UNCORRECTABLE_REMAPPED_ROWS"): "0x80"},
    ),
    Case(
        "CardMemoryErrors", "amd", {amd("ecc_uncorrect_total"): "0x70 2x10"},
        "the memory of card 0 of box-2 has errors that couldn't be corrected", {**CRITICAL, "host": "box-2", "gpu_id": "0"},
    ),
    Case("CardMemoryErrors", "amd, none", {amd("ecc_uncorrect_total"): "0x80"}),
    Case(
        "CardLost", "one of two",
        {nvidia("GPU_TEMP"): "40x80", nvidia("GPU_TEMP", "1"): "40x50 stale", amd("junction_temperature"): "40x80"},
        "card 1 of box is planned and no longer there", {**CRITICAL, "host": "box", "card": "1", "vendor": "nvidia"},
    ),
    Case(
        "CardLost", "amd", {**BOTH_THERE, amd("junction_temperature"): "40x50 stale"},
        "card 0 of box-2 is planned and no longer there", {**CRITICAL, "host": "box-2", "card": "0", "vendor": "amd"},
    ),
    Case("CardLost", "all there", {**BOTH_THERE, amd("junction_temperature"): "40x80"}),
    Case(
        "CardLost", "their exporters are away",
        {up("dcgm_exporter", "dcgm-exporter"): "1x50 0x30", up("amd_exporter", "amd-exporter"): "1x50 0x30"},
    ),
    Case(
        "CardFault", "fallen off the bus", {nvidia("XID_ERRORS"): "0x70 79x10"},
        "the driver reports fault 79 (Xid) of card 0 of box", {**CRITICAL, **card()},
    ),
    Case("CardFault", "none", {nvidia("XID_ERRORS"): "0x80"}),
    Case("CardFault", "of yesterday", {nvidia("XID_ERRORS"): "31x90"}, at="2h"),
)  # fmt: skip
