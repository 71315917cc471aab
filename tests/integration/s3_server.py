"""A server that speaks S3 for the tests of state: versitygw where it is there, else moto in an environment of its own.

moto is a mock: it speaks real HTTP and keeps everything in memory, and it is laxer than real servers are.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bootstrap import venv
from tests.ports import free_ports
from tests.tools import require

BUCKET = "state"
REAL = "versitygw"
# moto's own pins are older than this project's: its packages stay apart.
_MOCK = (
    "uv",
    "tool",
    "run",
    "--quiet",
    "--from",
    "moto[s3]==5.2.5",
    "--with",
    "flask==3.1.3",
    "--with",
    "flask-cors==6.0.5",
)
_KEY, _SECRET = "hearth", "only-for-this-test"
_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_STARTS_WITHIN_S = 90


@dataclass(frozen=True)
class S3Server:
    """A running server: its address, and the folder that it keeps objects in (None: in memory, readable by anybody)."""

    address: str
    folder: Path | None

    @property
    def backend(self) -> str:
        """What PULUMI_BACKEND_URL has to be."""
        options = "s3ForcePathStyle=true&region=us-east-1&request_checksum_calculation=when_supported"
        return f"s3://{BUCKET}?endpoint={self.address}&{options}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs besides the address."""
        return {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET, "AWS_REGION": "us-east-1"}

    def objects(self) -> dict[str, bytes]:
        """Return everything that is in the bucket, by key."""
        if self.folder is not None:
            files = [file for file in (self.folder / BUCKET).rglob("*") if file.is_file()]
            return {str(file.relative_to(self.folder / BUCKET)): file.read_bytes() for file in files}
        listed = ElementTree.fromstring(self._read(f"{BUCKET}?list-type=2"))  # noqa: S314 - the test's own server
        keys = [str(key.text) for key in listed.iter(f"{_XML}Key")]
        return {key: self._read(f"{BUCKET}/{key}") for key in keys}

    def _read(self, path: str) -> bytes:
        # moto looks whether somebody has signed, not who.
        signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={_KEY}/20260101/us-east-1/s3/aws4_request"}
        asked = urllib.request.Request(f"{self.address}/{path}", headers=signed)  # noqa: S310 - the test's own server
        with urllib.request.urlopen(asked, timeout=10) as reply:  # noqa: S310 - the same
            content: bytes = reply.read()
        return content


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Start a server with one empty bucket, and stop it."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    real = shutil.which(REAL)
    require(real is not None or shutil.which("uv") is not None, f"neither {REAL} nor uv is on PATH: run `make test`")
    data, meta = folder / "objects", folder / "meta"
    (data / BUCKET).mkdir(parents=True)
    meta.mkdir()
    server = S3Server(address, data if real else None)
    argv = [real, "--port", f"127.0.0.1:{port}", "posix", "--sidecar", str(meta), str(data)] if real else [
        *_MOCK, "moto_server", "-H", "127.0.0.1", "-p", str(port)]  # fmt: skip
    told = {"ROOT_ACCESS_KEY": _KEY, "ROOT_SECRET_KEY": _SECRET} if real else venv.uv_environment()
    environment = {**os.environ, **told}
    with (folder / "server.log").open("wb") as log:
        running = subprocess.Popen(argv, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait(server, running, folder / "server.log")
        if not real:
            made = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")  # noqa: S310 - the test's own server
            urllib.request.urlopen(made, timeout=10).close()  # noqa: S310 - the same
        yield server
    finally:
        # With uv between, the server is its child.
        os.killpg(running.pid, signal.SIGTERM)
        running.wait(timeout=20)


def _wait(server: S3Server, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        assert running.poll() is None, log.read_text(errors="replace")
        try:
            urllib.request.urlopen(server.address, timeout=2).close()  # noqa: S310 - the test's own server
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"no answer in {_STARTS_WITHIN_S} s: {log.read_text(errors='replace')}")
