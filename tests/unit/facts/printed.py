"""What the tools print, as seen in public; UUIDs, names and addresses are made up."""

from __future__ import annotations

import json

# Form: rows of `--format=csv,noheader,nounits` as quoted by many public GPU probes ("0, NVIDIA H100 80GB HBM3,
# 81559, 550.90.07"), 81559 MiB on every H100 80GB HBM3 that was found, with the further fields of our query.
H100_CSV = "".join(
    f"{index}, GPU-{index:08x}-1111-2222-3333-444455556666, NVIDIA H100 80GB HBM3, 81559, 580.82.07, 9.0, Disabled, "
    f"00000000:{0x1B + index:02X}:00.0\n"
    for index in range(4)
)

# Source: `nvidia-smi topo -m` in github.com/HazyResearch/ThunderKittens/issues/167 (eight H100), cut to four cards,
# with the escape codes that nvidia-smi prints around its heading.
H100_TOPOLOGY = """\
\t\x1b[4mGPU0\tGPU1\tGPU2\tGPU3\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\x1b[0m
GPU0\t X \tNV18\tNV18\tNV18\t0-47,96-143\t0\t\tN/A
GPU1\tNV18\t X \tNV18\tNV18\t0-47,96-143\t0\t\tN/A
GPU2\tNV18\tNV18\t X \tNV18\t48-95,144-191\t1\t\tN/A
GPU3\tNV18\tNV18\tNV18\t X \t48-95,144-191\t1\t\tN/A

Legend:

  X    = Self
  SYS  = Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)
  NV#  = Connection traversing a bonded set of # NVLinks
"""

# Source: github.com/NVIDIA/nccl/issues/1505 (DGX A100, with network cards among the columns), with bridged pairs
# instead of a switch, as two-card NVLink bridges give: 0-1 and 2-3.
PAIRS_TOPOLOGY = """\
        GPU0    GPU1    GPU2    GPU3    NIC0    NIC1    CPU Affinity    NUMA Affinity   GPU NUMA ID
GPU0     X      NV12    SYS     SYS     PXB     SYS     48-63,176-191   3               N/A
GPU1    NV12     X      SYS     SYS     PXB     SYS     48-63,176-191   3               N/A
GPU2    SYS     SYS      X      NV4     SYS     PXB     16-31,144-159   1               N/A
GPU3    SYS     SYS     NV4      X      SYS     PXB     16-31,144-159   1               N/A
NIC0    PXB     PXB     SYS     SYS      X      SYS
NIC1    SYS     SYS     PXB     PXB     SYS      X

NIC Legend:

  NIC0: mlx5_0
  NIC1: mlx5_1
"""

# Source: github.com/noonghunna/club-3090/issues/1229 (two cards without NVLink).
PCIE_TOPOLOGY = """\
\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID
GPU0\t X \tPHB\t0-63\t0\t\tN/A
GPU1\tPHB\t X \t0-63\t0\t\tN/A
"""

# Source: `nvidia-smi -L` in github.com/influxdata/telegraf/issues/5812 (A100, one card of two split).
MIG_LIST = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-aaaaaaaa-6b7d-1906-3b04-91e69664bb29)
  MIG 1g.20gb     Device  0: (UUID: MIG-ce861fb0-a248-58ce-a9a8-000000000001)
  MIG 1g.10gb+me  Device  1: (UUID: MIG-a45882f0-9215-5733-a0c1-000000000002)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-bbbbbbbb-8fc3-8595-e355-7c98138f3b95)
"""
MIG_CSV = """\
0, GPU-aaaaaaaa-6b7d-1906-3b04-91e69664bb29, NVIDIA A100-SXM4-80GB, 81920, 535.216.01, 8.0, Enabled, 00000000:07:00.0
1, GPU-bbbbbbbb-8fc3-8595-e355-7c98138f3b95, NVIDIA A100-SXM4-80GB, [Insufficient Permissions], 535.216.01, 8.0, \
[N/A], 00000000:0F:00.0
"""

# nvidia-smi without a driver, on standard output, status 9.
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n"
)

# Source: fields of `rocm-smi --json` in github.com/marimo-team/marimo/issues/9237 (ROCm 6), the unique ids and the
# integrated card as in github.com/mudler/LocalAI/pull/7761, the warning as rocm-smi prints it for an idle card.
ROCM_SMI = """\
WARNING: AMD GPU device(s) is/are in a low-power state. Check power control/runtime_status

{"card0": {"Unique ID": "0x9246abcdef012345", "VRAM Total Memory (B)": "21458059264",
"VRAM Total Used Memory (B)": "27856896", "Card Series": "Radeon RX 7900 XT", "Card Model": "0x744c",
"Card Vendor": "Advanced Micro Devices, Inc. [AMD/ATI]", "Node ID": "1", "GFX Version": "gfx1100"},
"card1": {"Unique ID": "N/A", "VRAM Total Memory (B)": "67108864", "Card Series": "Raphael"},
"system": {"Driver version": "6.14.14"}}
"""
# Source: the older spelling ("Card series") as in github.com/wandb/wandb/pull/5449 (MI200).
ROCM_SMI_OLD = (
    '{"card0": {"Unique ID": "0x1f9de0957d137942", "Card series": "AMD INSTINCT MI200", "Card model": "N/A"}}'
)

# Source: `amd-smi static --json` as parsed by public tests: a list with vram.size (ROCm 6), and below gpu_data with
# vram.vram_size and driver.driver_version (ROCm 7); serials as in github.com/ROCm/rocm-systems/pull/2987.
AMD_SMI = """\
[{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X", "asic_serial": "0x12345678"}, "bus": {"bdf": "0000:41:00.0"},
  "driver": {"name": "amdgpu", "version": "6.10.5"}, "vram": {"type": "HBM3", "size": {"value": 196592, "unit": "MB"}}}]
"""
AMD_SMI_7 = """\
{"gpu_data": [{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X"}, "driver": {"driver_version": "7.0.2"},
  "vram": {"vram_size": {"value": 196300, "unit": "MB"}}}]}
"""

# The key of `rocm-smi --showbus --json`; the addresses are made up.
ROCM_SMI_BUS = (
    '{"card0": {"Unique ID": "0x9246abcdef012345", "PCI Bus": "0000:03:00.0", "Card Series": "Radeon RX 7900 XT"}, '
    '"card1": {"Unique ID": "0x9246abcdef012346", "PCI Bus": "0000:0A:00.0", "Card Series": "Radeon RX 7900 XT"}}'
)
# The kernel's form of a device's uevent; a virtual device has no address, and no line.
RENDER_NODES = """\
/sys/class/drm/renderD128/device/uevent:PCI_SLOT_NAME=0000:03:00.0
/sys/class/drm/renderD130/device/uevent:PCI_SLOT_NAME=0000:0a:00.0
"""
# The form of /etc/group; Debian's number of video, and one that a distribution gives render when it is installed.
GROUPS = "video:x:44:ops\nrender:x:992:ops,deploy\n"

# Source: form of `lscpu -J` in github.com/siderolabs/talos/issues/9121 (two Xeon 8462Y+), nested as util-linux 2.37
# and later may print it; flags cut.
LSCPU_NESTED = """\
{"lscpu": [
  {"field": "Architecture:", "data": "x86_64", "children": [{"field": "CPU op-mode(s):", "data": "32-bit, 64-bit"}]},
  {"field": "CPU(s):", "data": "112", "children": [{"field": "On-line CPU(s) list:", "data": "0-111"}]},
  {"field": "Vendor ID:", "data": "GenuineIntel", "children": [
    {"field": "Model name:", "data": "Intel(R) Xeon(R) Platinum 8462Y+", "children": [
      {"field": "Thread(s) per core:", "data": "2"},
      {"field": "Flags:", "data": "fpu vme avx avx2 avx512f avx512_bf16 amx_bf16 amx_tile amx_int8"}]}]},
  {"field": "NUMA:", "data": null, "children": [
    {"field": "NUMA node(s):", "data": "3"},
    {"field": "NUMA node0 CPU(s):", "data": "0-27,56-83"},
    {"field": "NUMA node1 CPU(s):", "data": "28-55,84-111"},
    {"field": "NUMA node2 CPU(s):", "data": ""}]}]}
"""
# Source: recorded here, Debian 12, util-linux 2.38.1, flags cut.
LSCPU_FLAT = """\
{"lscpu": [{"field": "CPU(s):", "data": "2"}, {"field": "On-line CPU(s) list:", "data": "0,1"},
  {"field": "Model name:", "data": "AMD EPYC"}, {"field": "Thread(s) per core:", "data": "1"},
  {"field": "Flags:", "data": "fpu avx avx2 avx512f"}, {"field": "NUMA node0 CPU(s):", "data": "0,1"}]}
"""
NODE_MEMORY = """\
/sys/devices/system/node/node0/meminfo:Node 0 MemTotal:       527952380 kB
/sys/devices/system/node/node1/meminfo:Node 1 MemTotal:       528439296 kB
"""
MEMINFO = "MemTotal:       1056391676 kB\nMemFree:        18442468 kB\nMemAvailable:   23968580 kB\n"

# Recorded here from Docker 20.10.24 and cut; DiscoveredDevices as in the Engine API since 28.2.
DOCKER = """\
{"ID": "X", "Containers": 0, "NCPU": 112, "MemTotal": 1081745076224, "DockerRootDir": "/data/docker",
 "ServerVersion": "28.3.2", "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "nvidia": {"path": "nvidia"}},
 "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"], "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}
"""
# As nvidia-ctk names cards by default: by index and by UUID, and all of them.
DOCKER_CDI = DOCKER.replace(
    '[{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]',
    json.dumps(
        [
            {"Source": "cdi", "ID": f"nvidia.com/gpu={name}"}
            for line in H100_CSV.splitlines()
            for name in line.split(", ")[:2]
        ]
        + [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]
    ),
)
# Before 28.2 there is no list of devices; the directories are there from 25 on.
DOCKER_27 = """\
{"ID": "X", "NCPU": 112, "DockerRootDir": "/data/docker", "ServerVersion": "27.5.1",
 "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "nvidia": {"path": "nvidia-container-runtime"}},
 "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]}
"""
# Recorded here with no daemon: the client's half, with empty fields of the server.
DOCKER_DOWN = '{"ID":"","Containers":0,"ServerErrors":["Cannot connect to the Docker daemon"],"ClientInfo":{}}'
DF_DATA = (
    "Filesystem     Mounted on         1B-blocks       Avail\n/dev/md0       /data dir    3840755982336 987654321000\n"
)
DF_ROOT = (
    "Filesystem     Mounted on         1B-blocks       Avail\n/dev/vda       /            270553174016 66780336128\n"
)


def answer(name: str, out: str, code: int = 0, said: str = "") -> str:
    """Return one part of what the script prints."""
    return f"\n@@hearth begin {name}\n{out}\n@@hearth said {code}\n{said}\n@@hearth end {name}\n"


# What the script prints on a host with four H100.
GPU_HOST = "".join(
    [
        "Welcome to gpu01! Unauthorised use is prohibited.\n",
        answer("lscpu", LSCPU_NESTED),
        answer("meminfo", MEMINFO),
        answer("numa", NODE_MEMORY, 0),
        answer("nvidia-cards", H100_CSV),
        answer("nvidia-list", ""),
        answer("nvidia-topology", H100_TOPOLOGY),
        answer("rocm-smi", "", 127, "rocm-smi is not there"),
        answer("amd-smi", "", 127, "amd-smi is not there"),
        answer("docker", DOCKER),
        answer("disk-docker", DF_DATA),
        "\n@@hearth root /data/docker\n",
        answer("disk-root", DF_ROOT),
        "\n@@hearth done\n",
    ]
)

# What it prints on a host with two AMD cards, where Docker has no words for cards.
AMD_HOST = "".join(
    [
        answer("lscpu", LSCPU_NESTED),
        answer("meminfo", MEMINFO),
        answer("nvidia-cards", "", 127, "nvidia-smi is not there"),
        answer("rocm-smi", ROCM_SMI_BUS),
        answer("render-nodes", RENDER_NODES),
        answer("device-groups", GROUPS),
        answer("docker", '{"ServerVersion": "28.3.2", "Runtimes": {"runc": {}}, "NCPU": 112}'),
        "\n@@hearth done\n",
    ]
)
