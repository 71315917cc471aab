"""The machine's images for another daemon's data root, without copying their gigabytes: metadata is copied, layers are links.

Links are all that such a daemon could ever remove of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.stacks import docker


def borrow_images(data: Path) -> None:
    """Fill a data root that no daemon has used yet; with the storage driver overlay2 its daemon has the machine's images."""
    root = Path(docker("info", "--format", "{{.DockerRootDir}}"))
    layers = data / "overlay2"
    layers.mkdir(parents=True)
    shutil.copytree(root / "image", data / "image", ignore=shutil.ignore_patterns("mounts", "tmp"))
    shutil.copytree(root / "overlay2" / "l", layers / "l", symlinks=True)
    for layer in (root / "overlay2").iterdir():
        if layer.name != "l" and (layer / "link").exists():
            (layers / layer.name).symlink_to(layer)
