"""DCGM exporter: load, memory, heat and faults of NVIDIA cards."""

from __future__ import annotations

from typing import ClassVar, Final

from infra.services.base import ConfigFile, Context, Settings, Workload
from infra.services.every_host import CardExporter
from infra.services.files import GENERATED

PORT: Final = 9400
_COUNTERS: Final = "/etc/hearth/counters.csv"
# Name, kind and help of each field, in the form of NVIDIA's etc/default-counters.csv; ECC isn't among its defaults.
_FIELDS: Final = (
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock (MHz)"),
    ("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock (MHz)"),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "gauge", "Why the clocks are lowered (bits)"),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "Temperature (C)"),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Temperature of the memory (C)"),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power (W)"),
    ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since boot (mJ)"),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "Share of time with a kernel running (%)"),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Share of time with memory traffic (%)"),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Memory free (MiB)"),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Memory used (MiB)"),
    ("DCGM_FI_DEV_FB_RESERVED", "gauge", "Memory reserved (MiB)"),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Last fault that the driver reported"),
    ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Single-bit errors since the driver was loaded"),
    ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Double-bit errors since the driver was loaded"),
    ("DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Rows replaced after errors that were not corrected"),
    ("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Rows replaced after errors that were corrected"),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether replacing a row has failed"),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Share of time with any engine active"),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Share of cycles with tensor cores active"),
    ("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Share of cycles with memory traffic"),
)


class DcgmExporterSettings(Settings):
    """hearth:monitoring.dcgm_exporter."""


class DcgmExporter(CardExporter[DcgmExporterSettings]):
    """One per host whose cards are NVIDIA's; it sees all of its host's."""

    name: ClassVar[str] = "dcgm_exporter"
    section: ClassVar[str] = "monitoring.dcgm_exporter"
    official_image: ClassVar[str] = "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless"
    settings_type = DcgmExporterSettings
    stem: ClassVar[str] = "dcgm-exporter"
    port: ClassVar[int] = PORT
    vendor: ClassVar[str] = "nvidia"

    def workloads(self, settings: DcgmExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporter. Its image has neither shell nor client: Prometheus says whether it answers."""
        counters = "".join(f"{field}, {kind}, {about}\n" for field, kind, about in _FIELDS)
        return tuple(
            Workload(
                instance=self.instance(host, context),
                service=self.name,
                host=host,
                image=str(self.image(context.config)),
                command=("/usr/bin/dcgm-exporter", "-f", _COUNTERS),
                restart=settings.restart or context.config.restart,
                environment={"DCGM_EXPORTER_LISTEN": f":{PORT}", **settings.environment},
                files=(ConfigFile(_COUNTERS, f"# {GENERATED}\n{counters}"),),
                published=self.published(settings, PORT),
                memory_bytes=settings.memory,
                device="cuda",
                gpus=self.cards(context.config, host),
                gpu_access=context.config.inventory.hosts[host].gpu_access or "device-request",
                # Reading the profiling counters is a privilege of the driver's (NVIDIA/dcgm-exporter, README).
                capabilities=("SYS_ADMIN",),
            )
            for host in self.hosts(settings, context)
        )
