"""What a build may see of this machine but must not keep: its certificate authorities and its Python package index."""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

CA_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
CA_FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
)
UV_FILES: Final = ("~/.config/uv/uv.toml", "/etc/uv/uv.toml")
PIP_FILES: Final = ("~/.config/pip/pip.conf", "~/.pip/pip.conf", "/etc/pip.conf")
INDEX_VARIABLES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


def certificates(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The bundle of authorities that this machine trusts, or None where it has none of its own."""
    named = [environment[name] for name in CA_VARIABLES if environment.get(name)]
    return _first((*named, *CA_FILES))


def _first(paths: tuple[str, ...]) -> Path | None:
    return next((path for name in paths if (path := Path(name).expanduser()).is_file()), None)


def _pip_index() -> str:
    for name in PIP_FILES:
        settings = configparser.ConfigParser(interpolation=None)
        if settings.read(Path(name).expanduser()) and (url := settings.get("global", "index-url", fallback="")):
            return url
    return ""


def uv_settings(scratch: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """A uv.toml with this machine's package index, or None where it uses the public one.

    uv reads no pip settings, so an index named only there is translated. The URL may carry a password: a file that has
    to be written goes into `scratch`, readable by its owner alone.
    """
    if named := environment.get("UV_CONFIG_FILE"):
        return Path(named)
    index = next((environment[name] for name in INDEX_VARIABLES if environment.get(name)), "")
    if not index and (existing := _first(UV_FILES)):
        return existing
    if index := index or _pip_index():
        written = scratch / "uv.toml"
        written.touch(mode=0o600)
        written.write_text(f'[[index]]\nurl = "{index}"\ndefault = true\n')
        return written
    return None
