"""The engines: one vLLM server per model and replica."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import ClassVar, Final

from pydantic import Field

from infra.catalogue.flag_table import has_variable
from infra.catalogue.flags import has_flag
from infra.catalogue.rendered import flags_of, rendered_findings
from infra.config.inventory import Host
from infra.config.models import SYNTHETIC, ModelServer
from infra.config.secrets import SecretRef
from infra.config.types import cores_of
from infra.errors import Finding
from infra.plan import ENGINE_PORT, STATUS_PORT, Placement, shm_bytes
from infra.plan.fetching import HUB_HOME, fetch_of
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Scope, Service, Settings, Volume, Workload
from infra.services.engine_flags import adapter_flags, adapter_volumes, parser_flags
from infra.services.engine_image import IMAGES, cache_key, image_for
from infra.services.files import asset, assets, json_lines
from infra.services.replicas import aliases
from infra.services.rollout import Serial, changed_before
from monitoring.selectors import SUPERVISION

_MODEL_DIRECTORY: Final = "/models"
_SYNTHETIC_SCRIPT: Final = "/opt/hearth/synthetic_model.py"
# The engine's entry point (infra/services/assets/engine), what it reads, and where it takes its start locks: a folder of
# the host, because two stacks may share a card.
_ENTRY_POINT: Final = "/opt/hearth/engine"
_ENTRY_SETTINGS: Final = "/etc/hearth/engine.json"
_LOCKS: Final = "/run/hearth/locks"
# Time for requests in flight before the engine ends; the container's own stop time-out is longer.
_DRAIN_SHARE: Final = 0.5
_SEVERAL: Final = 2
_READY_TIMEOUT: Final = "VLLM_ENGINE_READY_TIMEOUT_S"
Flag = str | int | float | bool
Flags = Flag | tuple[str, ...]


class VllmSettings(Settings):
    """hearth:engines: what all engines share; a model's own settings are in hearth:models and win."""

    args: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="vllm serve flags of every engine, written as in hearth:models.*.args"
    )
    serial: Serial = Field(
        default=1,
        description="hosts whose replicas of a model are changed at once, a number or a share as in 25%, as in Ansible "
        "(default 1: an update never takes more than one host's away; 100% makes a first start of many hosts quicker)",
    )


class Vllm(Service[VllmSettings]):
    """vLLM's OpenAI-compatible server, on GPUs or on CPU."""

    name: ClassVar[str] = "vllm"
    section: ClassVar[str] = "engines"
    official_image: ClassVar[str] = IMAGES["cuda"]
    settings_type = VllmSettings

    def endpoints(self, settings: VllmSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return two endpoints per engine: its API, and its entry point's metrics."""
        del settings
        return tuple(
            Endpoint(
                service=service,
                instance=placement.instance,
                host=placement.host,
                port=port,
                metrics_path="/metrics",
                labels={"model": placement.model, "kind": scope.config.models[placement.model].kind},
            )
            for service, port in ((self.name, ENGINE_PORT), (SUPERVISION, STATUS_PORT))
            for placement in scope.plan.placements
        )

    def hosts(self, settings: VllmSettings, scope: Scope) -> tuple[str, ...]:
        """Return the hosts that engines are placed on."""
        del settings
        return tuple(dict.fromkeys(placement.host for placement in scope.plan.placements))

    def workloads(self, settings: VllmSettings, context: Context) -> tuple[Workload, ...]:
        """Return one workload per engine."""
        return tuple(self._workload(settings, context, placement) for placement in context.plan.placements)

    def findings(self, settings: VllmSettings, context: Context) -> tuple[Finding, ...]:
        """Return what the version of the engines' image doesn't take of what Hearth writes for them."""
        version = context.plan.vllm_version
        found: list[Finding] = []
        for placement in context.plan.placements:
            model, host = context.config.models[placement.model], context.config.inventory.hosts[placement.host]
            flags = flags_of(self.arguments(settings, context, placement))
            by_people = {*settings.args, *model.args}
            own = {flag: value for flag, value in flags.items() if not {flag, flag.removeprefix("no-")} & by_people}
            environment = _environment(
                placement, model, host, version, is_fetched=_fetch(context, placement) is not None
            )
            found += rendered_findings(placement.model, own, environment, version, written=model.model_fields_set)
        return tuple(dict.fromkeys(found))

    def arguments(self, settings: VllmSettings, context: Context, placement: Placement) -> tuple[str, ...]:
        """Return what stands behind `vllm serve` for one engine, however its container starts it."""
        model = context.config.models[placement.model]
        flags = _flags(placement, model, shared_flags(settings.args, context, placement), context.plan.vllm_version)
        return (_served_from(placement, model), *(part for flag, value in flags.items() for part in _flag(flag, value)))

    def _workload(self, settings: VllmSettings, context: Context, placement: Placement) -> Workload:
        model = context.config.models[placement.model]
        host = context.config.inventory.hosts[placement.host]
        image = image_for(model, context.config)
        fetch = _fetch(context, placement)
        return Workload(
            instance=placement.instance,
            service=self.name,
            host=placement.host,
            image=image,
            command=("python3", _ENTRY_POINT),
            restart=model.restart or settings.restart or context.config.restart,
            aliases=aliases(placement.model, context.plan),
            environment={
                **_environment(placement, model, host, context.plan.vllm_version, is_fetched=fetch is not None),
                **settings.environment,
                **model.environment,
            },
            secret_environment={
                "VLLM_API_KEY": SecretRef("engineKey"),
                **({"HF_TOKEN": SecretRef("hfToken")} if model.gated and fetch is None else {}),
            },
            files=_files(placement, model, self.arguments(settings, context, placement)),
            volumes=(
                *_volumes(placement, model, image),
                *adapter_volumes(model),
                Volume("start-locks", _LOCKS, host_path=_LOCKS),
            ),
            probe=Probe(STATUS_PORT, "/health", interval_s=5.0, timeout_s=10.0, retries=3),
            start_timeout_s=placement.start_timeout_s,
            after=_after(settings, context, placement, fetch),
            memory_bytes=model.memory or settings.memory,
            shm_bytes=shm_bytes(model),
            cpu_set=placement.cpu_set,
            device=model.device,
            gpus=placement.gpus,
            supervised=True,
            gpu_access=host.gpu_access or "device-request",
            device_nodes=_device_nodes(placement, host),
            device_groups=host.device_groups if model.device == "rocm" else (),
            # Docker's own seccomp profile lets a process bind its memory to a NUMA node only with this.
            capabilities=("SYS_NICE",) if model.device == "cpu" else (),
        )


def _after(settings: VllmSettings, context: Context, placement: Placement, fetch: str | None) -> tuple[str, ...]:
    turns = changed_before(placement, context.plan, settings.serial)
    return tuple(dict.fromkeys((*placement.after, *turns, *((fetch,) if fetch is not None else ()))))


def _fetch(context: Context, placement: Placement) -> str | None:
    """Return the instance that fetches the engine's weights; None where the engine has or gets them itself."""
    return fetch_of(context.config, context.plan, placement) if context.runs("prefetch") else None


def shared_flags(args: Mapping[str, Flag], context: Context, placement: Placement) -> Mapping[str, Flags]:
    """Return the flags that a model's own args win over: those of its adapters, its parsers, and of all engines."""
    model = context.config.models[placement.model]
    image = image_for(model, context.config)
    return {
        **adapter_flags(placement.model, model, is_fetched=_fetch(context, placement) is not None),
        **parser_flags(model, {**args, **model.args}, image, context.plan.vllm_version),
        **args,
    }


def _served_from(placement: Placement, model: ModelServer) -> str:
    if model.source == SYNTHETIC or model.is_local_directory:
        return f"{_MODEL_DIRECTORY}/{placement.model}"
    return model.source


def _flags(placement: Placement, model: ModelServer, shared: Mapping[str, Flags], version: str) -> dict[str, Flags]:
    flags: dict[str, Flags] = {
        "host": "0.0.0.0",  # noqa: S104 - inside the container's own network
        "port": ENGINE_PORT,
        "served-model-name": placement.model,
        "dtype": model.dtype,
    }
    # Where the version has them: an older one ends at once over a flag that it doesn't know.
    welcome: dict[str, Flag] = {
        "shutdown-timeout": int(placement.restart.timeout_stop_s * _DRAIN_SHARE),
        # Health checks and scrapes every few seconds would fill the log.
        "disable-access-log-for-endpoints": "/health,/metrics",
    }
    flags |= {flag: value for flag, value in welcome.items() if has_flag(flag, version)}
    optional: dict[str, str | int | float | None] = {
        "revision": model.revision,
        "max-model-len": placement.context,
        "max-num-seqs": model.max_sequences,
        "max-num-batched-tokens": model.max_batched_tokens,
        "kv-cache-dtype": model.kv_cache_dtype,
        "quantization": model.quantization,
        "gpu-memory-utilization": placement.memory_fraction,
        "kv-cache-memory-bytes": placement.kv_cache_bytes,
        "tensor-parallel-size": model.tensor_parallel if model.tensor_parallel > 1 else None,
        "pipeline-parallel-size": model.pipeline_parallel if model.pipeline_parallel > 1 else None,
        "runner": None if model.kind == "chat" else "pooling",
    }
    flags |= {flag: value for flag, value in optional.items() if value is not None}
    flags |= {"enable-expert-parallel": True} if model.expert_parallel else {}
    return {**flags, **shared, **model.args}


def _files(placement: Placement, model: ModelServer, arguments: tuple[str, ...]) -> tuple[ConfigFile, ...]:
    """Return the entry point, its settings, and what makes a synthetic model."""
    is_synthetic = model.source == SYNTHETIC
    make = ("python3", _SYNTHETIC_SCRIPT, _served_from(placement, model), placement.model, str(placement.context))
    settings = {
        "instance": placement.instance,
        "model": placement.model,
        "kind": model.kind,
        "device": model.device,
        "cards": placement.gpus,
        "port": ENGINE_PORT,
        "status_port": STATUS_PORT,
        "prepare": make if is_synthetic else (),
        "command": ("vllm", "serve", *arguments),
        "promise": asdict(placement.restart),
    }
    return (
        *(ConfigFile(f"{_ENTRY_POINT}/{name}", text) for name, text in assets("engine").items()),
        ConfigFile(_ENTRY_SETTINGS, json_lines(settings)),
        *((ConfigFile(_SYNTHETIC_SCRIPT, asset("synthetic_model.py")),) if is_synthetic else ()),
    )


def _flag(flag: str, value: object) -> tuple[str, ...]:
    if value is True:
        return (f"--{flag}",)
    if value is False:
        return (f"--no-{flag}",)
    if isinstance(value, tuple):
        return (f"--{flag}", *value)
    return (f"--{flag}", str(value))


def _environment(
    placement: Placement, model: ModelServer, host: Host, version: str, *, is_fetched: bool
) -> dict[str, str]:
    environment = {
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HOME": HUB_HOME,
        # The entry point reads what the engine prints, line by line.
        "PYTHONUNBUFFERED": "1",
    }
    if has_variable(_READY_TIMEOUT, version):
        # vLLM gives its own engine ten minutes by default; the entry point keeps the plan's time-out.
        environment |= {_READY_TIMEOUT: str(math.ceil(placement.start_timeout_s))}
    if is_fetched or not model.is_from_hub:
        environment |= {"HF_HUB_OFFLINE": "1"}
    if model.device == "cpu":
        # By itself every engine binds its threads to the same first cores of the machine.
        environment |= {"VLLM_CPU_OMP_THREADS_BIND": placement.cpu_set or "nobind"}
        node = _memory_node(placement, host)
        environment |= {"CPU_VISIBLE_MEMORY_NODES": str(node)} if node is not None else {}
    if model.device == "cuda":
        environment |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return environment


def _memory_node(placement: Placement, host: Host) -> int | None:
    """Return the NUMA node that all cores of an engine are on; None where there is no choice, or nobody knows."""
    if placement.cpu_set is None or len(host.numa_nodes) < _SEVERAL:
        return None
    cores = cores_of(placement.cpu_set)
    return next((number for number, node in enumerate(host.numa_nodes) if cores <= cores_of(node.cores)), None)


def _device_nodes(placement: Placement, host: Host) -> tuple[str, ...]:
    """Return the device files of an engine's AMD cards; none unless all are known, for then all are given to it."""
    nodes = {gpu.id: gpu.render_node for gpu in host.gpus}
    found = [node for name in placement.gpus if (node := nodes.get(name)) is not None]
    return tuple(found) if len(found) == len(placement.gpus) else ()


def _volumes(placement: Placement, model: ModelServer, image: str) -> tuple[Volume, ...]:
    if model.source == SYNTHETIC:
        return ()
    caches = (Volume(f"vllm-cache-{cache_key(image)}", "/root/.cache/vllm"),)
    if model.is_local_directory:
        path = f"{_MODEL_DIRECTORY}/{placement.model}"
        return (*caches, Volume(f"model-{placement.model}", path, host_path=model.source, read_only=True))
    return (*caches, Volume("hub-cache", HUB_HOME))
