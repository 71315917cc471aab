"""AMD's device metrics exporter: load, memory, heat and errors of AMD cards."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from infra.config.schema import StackConfig
from infra.plan import Plan
from infra.services.base import ConfigFile, Context, Endpoint, Settings, Workload
from infra.services.card_hosts import CardExporter

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
    """One on the host whose cards are AMD's; it sees all of them."""

    name: ClassVar[str] = "amd_exporter"
    section: ClassVar[str] = "monitoring.amd_exporter"
    official_image: ClassVar[str] = "rocm/device-metrics-exporter:v1.4.2"
    settings_type = AmdExporterSettings
    vendor: ClassVar[str] = "amd"

    def endpoints(self, settings: AmdExporterSettings, config: StackConfig, plan: Plan) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        del plan
        host = self.host(settings, config)
        return (Endpoint(self.name, "amd-exporter", host, PORT, metrics_path="/metrics"),)

    def workloads(self, settings: AmdExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporter, which is given all cards of the host."""
        found = self.card_host(settings, context.config)
        if found is None:
            return ()
        host = context.config.inventory.hosts[found.name]
        return (
            Workload(
                instance="amd-exporter",
                service=self.name,
                host=found.name,
                image=str(self.image(context.config)),
                # It starts AMD's agent beside the exporter, and hands these arguments on.
                command=("/home/amd/tools/entrypoint.sh", "-monitor-gpu=true"),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                files=(ConfigFile(_CONFIG, json.dumps(_SETTINGS, indent=2) + "\n"),),
                published=self.published(settings, PORT),
                memory_bytes=settings.memory,
                device="rocm",
                gpus=found.cards,
                device_groups=host.device_groups,
            ),
        )
