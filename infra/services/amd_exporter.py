"""AMD's device metrics exporter: load, memory, heat and errors of AMD cards."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from infra.services.base import ConfigFile, Context, Settings, Workload
from infra.services.every_host import CardExporter

PORT: Final = 5000
_CONFIG: Final = "/etc/metrics/config.json"
# Without a file of ours names and labels are those of the version (some prefix amd_, and gpu_uuid is only there when asked
# for), and every field is read on each scrape: docs/configuration/configmap.md of ROCm/device-metrics-exporter.
_SETTINGS: Final[dict[str, Any]] = {
    "ServerPort": PORT,
    "CommonConfig": {"MetricsFieldPrefix": ""},
    "GPUConfig": {
        "Fields": [
            "GPU_GFX_ACTIVITY",
            "GPU_UMC_ACTIVITY",
            "GPU_USED_VRAM",
            "GPU_TOTAL_VRAM",
            "GPU_JUNCTION_TEMPERATURE",
            "GPU_MEMORY_TEMPERATURE",
            "GPU_PACKAGE_POWER",
            "GPU_ECC_CORRECT_TOTAL",
            "GPU_ECC_UNCORRECT_TOTAL",
        ],
        "Labels": ["GPU_UUID", "CARD_SERIES", "DRIVER_VERSION"],
        # They need more of the kernel's rights than a container is given.
        "ProfilerMetrics": {"all": False},
    },
}


class AmdExporterSettings(Settings):
    """hearth:monitoring.amd_exporter."""


class AmdExporter(CardExporter[AmdExporterSettings]):
    """One per host whose cards are AMD's; it sees all of its host's."""

    name: ClassVar[str] = "amd_exporter"
    section: ClassVar[str] = "monitoring.amd_exporter"
    official_image: ClassVar[str] = "rocm/device-metrics-exporter:v1.4.2"
    settings_type = AmdExporterSettings
    stem: ClassVar[str] = "amd-exporter"
    port: ClassVar[int] = PORT
    vendor: ClassVar[str] = "amd"

    def workloads(self, settings: AmdExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporter, which is given all cards of the host."""
        return tuple(
            Workload(
                instance=self.instance(host, context),
                service=self.name,
                host=host,
                image=str(self.image(context.config)),
                # It starts AMD's agent beside the exporter, and hands these arguments on.
                command=("/home/amd/tools/entrypoint.sh", "-monitor-gpu=true"),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                files=(ConfigFile(_CONFIG, json.dumps(_SETTINGS, indent=2) + "\n"),),
                published=self.published(settings, PORT),
                memory_bytes=settings.memory,
                device="rocm",
                gpus=self.cards(context.config, host),
                device_groups=context.config.inventory.hosts[host].device_groups,
            )
            for host in self.hosts(settings, context)
        )
