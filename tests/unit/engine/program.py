"""A program that behaves like `vllm serve` as far as its entry point can tell, and fails as it is told to.

Usage: program.py PORT BEHAVIOUR. It is no stand-in for vLLM: the integration suite does all of this to the real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METRICS = """vllm:num_requests_running{{engine="0"}} {running}
vllm:num_requests_waiting{{engine="0"}} 0.0
vllm:iteration_tokens_total_count{{engine="0"}} {steps}
"""


class Answers(BaseHTTPRequestHandler):
    behaviour = ""
    steps = 0

    def do_GET(self) -> None:
        type(self).steps += self.behaviour == "busy"
        stuck = self.behaviour in {"hung", "busy"}
        text = METRICS.format(running=float(stuck), steps=self.steps) if self.path == "/metrics" else ""
        self.answer(200, text)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(f"asked {self.path} {body['model']}", flush=True)
        if self.behaviour == "no template" and "chat" in self.path:
            self.answer(400, "default chat template is no longer allowed, so you must provide a chat template")
        elif self.behaviour == "mute":
            self.answer(500, "EngineCore encountered an issue")
        else:
            self.answer(200, json.dumps({"choices": [{"text": "x"}], "data": [{"embedding": [0.0]}]}))

    def answer(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


def main(port: int, behaviour: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    print(f"program {os.getpid()} starts", flush=True)
    if behaviour == "held":
        signal.sigwait({signal.SIGUSR1})
    if behaviour == "bad flag":
        print("vllm: error: unrecognized arguments: --swap-space 4", file=sys.stderr, flush=True)
        sys.exit(2)
    if behaviour == "slow":
        time.sleep(60)
    if behaviour == "worker":
        # A worker in a session of its own, which outlives its parent.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", f"worker-of-{port}"])
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "drains":

        def drain(*_: Any) -> None:
            time.sleep(0.5)
            print("drained", flush=True)
            os._exit(0)

        signal.signal(signal.SIGTERM, drain)
    Answers.behaviour = behaviour
    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    if behaviour in {"dies", "worker"}:
        server.timeout = 0.2
        until = time.monotonic() + 4
        while time.monotonic() < until:
            server.handle_request()
        # vLLM's own way to go when its engine has died.
        os._exit(0)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
