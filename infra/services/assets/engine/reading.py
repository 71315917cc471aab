"""How far a start is and what the engine says of itself, read from its log as it is written.

The texts are those of vLLM 0.6 to 0.33. Sizes that vLLM prints as GB are GiB as well (it divides by 2**30).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .lines import pieces

PHASES = ("launching", "downloading", "loading", "compiling", "profiling", "capturing", "warming", "serving")
_FIRST, _SERVING = PHASES[0], PHASES[-1]
_PHASE_STARTS = (
    (
        "downloading",
        re.compile(
            r"^Fetching \d+ files:|^Downloading shards:|\.(?:safetensors|bin|pt|gguf): +\d+%|^Time spent downloading"
        ),
    ),
    (
        "loading",
        re.compile(r"Starting to load model |^Loading \S+ checkpoint shards|^Loading weights took|^Model loading took"),
    ),
    (
        "compiling",
        re.compile(
            r"for vLLM's torch\.compile$|Dynamo bytecode transform time|Start compiling function|for the compilation\.\.\."
        ),
    ),
    (
        "profiling",
        re.compile(
            r"^torch\.compile (?:takes|took) |[Mm]emory profiling|KV cache memory: |KV cache size: |^# \w+ blocks: |for KV cache on node"
        ),
    ),
    ("capturing", re.compile(r"^Capturing (?:CUDA|cuda) ?graph")),
    ("warming", re.compile(r"^init engine \(|^Graph capturing finished|^Starting vLLM (?:API )?server")),
    ("serving", re.compile(r"^Application startup complete|^Uvicorn running on")),
)
_PROGRESS = (
    ("downloading", "files {0} of {1}", re.compile(r"Fetching \d+ files:.*?(\d+)/(\d+)")),
    ("downloading", "{0} {1}", re.compile(r"([\w.-]+\.(?:safetensors|bin|pt|gguf)): +(\d+%)")),
    ("loading", "shards {0} of {1}", re.compile(r"checkpoint shards: *\d+% Completed \| (\d+)/(\d+)")),
    ("capturing", "graphs {0} of {1}", re.compile(r"Capturing CUDA graph[^:]*: *\d+%\|[^|]*\| (\d+)/(\d+)")),
)
_NUMBER = r"(-?[\d,]+(?:\.\d+)?)"
# Of several ranks the fullest one counts: `min` and `max` say which of two figures that is.
_FIGURES = (
    ("weights_gib", max, re.compile(rf"^(?:Model loading took|Loading model weights took) {_NUMBER} G")),
    ("weights_gib", max, re.compile(rf"model weights take {_NUMBER} ?GiB")),
    ("load_s", max, re.compile(rf"^Model loading took .* and {_NUMBER} seconds")),
    ("kv_cache_gib", min, re.compile(rf"^Available KV cache memory: {_NUMBER} GiB")),
    ("kv_cache_gib", min, re.compile(rf"reserved for KV Cache is {_NUMBER} ?GiB")),
    ("kv_cache_gib", min, re.compile(rf"reserved {_NUMBER} ?GiB memory for KV Cache as specified")),
    ("kv_cache_gib", min, re.compile(rf"^Memory profiling results: .*kv_cache_size={_NUMBER}GiB")),
    ("kv_cache_gib", min, re.compile(rf"^(?:Explicitly|Auto) set \({_NUMBER}/[\d.]+\) GiB for KV cache")),
    ("kv_cache_tokens", min, re.compile(rf"KV cache size: {_NUMBER} tokens")),
    ("concurrency", min, re.compile(rf"Maximum concurrency for [\d,]+ tokens per request: {_NUMBER}x")),
    ("context", min, re.compile(rf"Maximum concurrency for {_NUMBER} tokens per request")),
    ("gpu_blocks", min, re.compile(rf"^# \w+ blocks: {_NUMBER}")),
    ("activation_gib", max, re.compile(rf"PyTorch activation peak memory takes {_NUMBER} ?GiB")),
    ("activation_gib", max, re.compile(rf"torch peak memory increase: {_NUMBER} ?GiB")),
    ("activation_gib", max, re.compile(rf"{_NUMBER} GiB for peak activation")),
    ("non_torch_gib", max, re.compile(rf"non_torch_memory takes {_NUMBER} ?GiB")),
    ("non_torch_gib", max, re.compile(rf"non-torch forward increase memory: {_NUMBER} ?GiB")),
    ("non_torch_gib", max, re.compile(rf"^Memory profiling results: .*non_torch_memory={_NUMBER}GiB")),
    ("non_torch_gib", max, re.compile(rf"{_NUMBER} GiB for non-torch memory")),
    ("graphs_gib", max, re.compile(rf"^Graph capturing finished in .* took {_NUMBER} GiB")),
    ("capture_s", max, re.compile(rf"^Graph capturing finished in {_NUMBER} secs")),
    ("compile_s", max, re.compile(rf"^torch\.compile (?:takes|took) {_NUMBER} s")),
    ("compile_s", max, re.compile(rf"^init engine .*\(compilation: {_NUMBER} s\)")),
    ("init_s", max, re.compile(rf"^init engine .*? took {_NUMBER} s")),
    ("download_s", max, re.compile(rf"^Time spent downloading weights for .*: {_NUMBER} seconds")),
)
# Printed early and by several processes: the first counts, and `context` until the engine knows better.
_EARLY = (
    ("vllm_version", re.compile(r"vLLM API server version (\S+)")),
    ("vllm_version", re.compile(r"█\s+version (\S+)")),
    ("vllm_version", re.compile(r"Initializing an? (?:V\d )?LLM engine \(v([^)]+)\)")),
    ("context", re.compile(r"^Using max model len (\d+)")),
    ("context", re.compile(r"LLM engine \(v.*?\bmax_seq_len=(\d+)")),
    ("load_s", re.compile(r"^Loading weights took ([\d.]+) seconds")),
    ("attention_backend", re.compile(r"^Using (\w+) attention backend")),
    ("attention_backend", re.compile(r"Overriding with (\w+) out of potential backends")),
    ("attention_backend", re.compile(r"^Using ([\w-]+(?: [\w-]+)?) backend(?: on V\d engine)?\.?$")),
)
_PEAK_TORCH = re.compile(r"^Memory profiling results: .*peak_torch_memory=([\d.]+)GiB")
_WHOLE = frozenset({"kv_cache_tokens", "context", "gpu_blocks"})


@dataclass
class Reading:
    """What is known of the current run; a new run takes a new one.

    `reported` has sizes in GiB and times in seconds, per rank as vLLM prints them (of several, the fullest rank's).
    """

    phase: str = _FIRST
    detail: str = ""
    reported: dict[str, float | int | str] = field(default_factory=dict)
    _early: set[str] = field(default_factory=set, repr=False)

    def read(self, line: str) -> None:
        """Take in one line. Once the engine serves nothing is read: from then on lines quote what users write."""
        if self.phase == _SERVING:
            return
        for piece in pieces(line):
            if piece.text and "Received request" not in piece.text:
                self._follow(piece.text)
                self._pick(piece.text)

    def _follow(self, text: str) -> None:
        """Phases only go forward: ranks are at different points, and a draft model is loaded after the model."""
        for phase, start in _PHASE_STARTS:
            if PHASES.index(phase) > PHASES.index(self.phase) and start.search(text):
                self.phase, self.detail = phase, ""
        for phase, form, progress in _PROGRESS:
            if phase == self.phase:
                for found in progress.finditer(text):
                    self.detail = form.format(*found.groups())

    def _pick(self, text: str) -> None:
        for name, pattern in _EARLY:
            if name not in self.reported and (found := pattern.search(text)):
                self.reported[name] = _value(name, found[1])
                self._early.add(name)
        for name, better, pattern in _FIGURES:
            if found := pattern.search(text):
                value = _number(name, found[1])
                known = None if name in self._early else self.reported.get(name)
                self._early.discard(name)
                self.reported[name] = value if not isinstance(known, float | int) else better(known, value)
        if found := _PEAK_TORCH.search(text):
            weights = self.reported.get("weights_gib")
            if isinstance(weights, float):
                # 0.6.4 prints the peak with the weights in it (worker.py, "Memory profiling results").
                self.reported["activation_gib"] = round(float(found[1]) - weights, 4)


def _value(name: str, text: str) -> float | int | str:
    return text if name in {"vllm_version", "attention_backend"} else _number(name, text)


def _number(name: str, text: str) -> float | int:
    value = float(text.replace(",", "") or 0)
    return int(value) if name in _WHOLE else value
