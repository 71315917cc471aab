"""What the plugin says to the user through the engine."""

import threading

import grpc

from . import OFFICIAL
from .stubs import engine_pb2, engine_pb2_grpc


class Engine:
    """The engine's log, at the address that it gives a plugin as its first argument; silent without one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._log: engine_pb2_grpc.EngineStub | None = None
        self._announced = False
        self._lock = threading.Lock()

    def announce(self) -> None:
        """Says once, at the first real change and never in a preview, which plugin is at work."""
        with self._lock:
            first, self._announced = not self._announced, True
        if first:
            text = f"docker: a stand-in is used for the official docker plugin. To change that: {OFFICIAL}"
            self._send(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text))

    def status(self, urn: str, text: str) -> None:
        """Shows a passing line beside the resource."""
        self._send(engine_pb2.LogRequest(severity=engine_pb2.INFO, urn=urn, message=text, ephemeral=True))

    def _send(self, line: engine_pb2.LogRequest) -> None:
        if not self._address:
            return
        try:
            with self._lock:
                if self._log is None:
                    self._log = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._address))
            self._log.Log(line, timeout=2)
        except grpc.RpcError:
            self._address = ""  # a word that can't be said must not stop the work
