"""Starts the plugin: serves on a free port of this machine and prints that port, as the engine expects."""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # ssh is started from worker threads; grpc's fork hooks would block them

import grpc

from . import light  # noqa: F401 - before all that imports the stubs
from .engine import Engine
from .provider import Provider
from .stubs import provider_pb2_grpc

AT_ONCE = 32
"""Operations at a time: a refresh reads every resource side by side."""

LARGEST_MESSAGE_BYTES = 400 << 20
"""The engine's own bound; uploads travel inside messages."""


def main() -> None:
    """Serves until the engine ends the plugin or dies itself."""
    limits = [
        ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", LARGEST_MESSAGE_BYTES),
    ]
    server = grpc.server(ThreadPoolExecutor(AT_ONCE), options=limits)
    engine = Engine(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), ""))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(engine), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(2)
    server.stop(grace=None)


if __name__ == "__main__":
    main()
