"""`python -m infra fit`: whether one engine starts on one kind of card, before anything is downloaded.

Exit codes: 0 it fits or is tight, 1 it doesn't start, 2 the command line is wrong, 3 the model is unknown.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from infra.catalogue.flags import check_value
from infra.catalogue.gpus import all_gpus, find_gpu
from infra.catalogue.versions import NEWEST, PINNED, behaviour_of, is_newer_than_known
from infra.config.load import nearest
from infra.interval import GIB, Interval
from infra.memory.checkpoint import checkpoint_of
from infra.memory.engine import Card, EngineSpec
from infra.memory.fixes import Fix, fixes_of
from infra.memory.verdict import Judgement, Verdict, judge
from infra.memory.weights import Parallel

_EXIT: Final = {Verdict.FITS: 0, Verdict.TIGHT: 0, Verdict.NO: 1, Verdict.UNKNOWN: 3}
_TERMS: Final = (
    ("weights_gib", "weights"),
    ("activation_gib", "activation"),
    ("non_torch_gib", "non_torch"),
    ("cuda_graph_gib", "graphs"),
    ("kv_cache_gib", "pool"),
)


def main_fit(arguments: Sequence[str]) -> int:
    """Answer for one engine; figures go to standard output, mistakes to standard error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    problems, spec = _spec(options)
    if spec is None:
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    judged = judge(spec)
    fixes = fixes_of(spec, tuple(_cards()))
    print(json.dumps(_data(spec, judged, fixes), indent=2) if options.json else _text(spec, judged, fixes))
    return _EXIT[judged.verdict]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra fit", description=__doc__)
    parser.add_argument("--model", required=True, help="hub id, a directory, or the path of a config.json")
    parser.add_argument("--gpu", help="card, as in 'H100-80GB' or what nvidia-smi prints")
    parser.add_argument("--gpu-memory-gib", type=float, metavar="X", help="memory that CUDA reports for it")
    parser.add_argument("--tensor-parallel", type=int, default=1, metavar="N")
    parser.add_argument("--pipeline-parallel", type=int, default=1, metavar="N")
    parser.add_argument("--data-parallel", type=int, default=1, metavar="N")
    parser.add_argument("--expert-parallel", action="store_true", help="whole experts per card")
    parser.add_argument("--fraction", type=float, metavar="F", help="gpu-memory-utilization (default: the version's)")
    parser.add_argument("--context", type=int, metavar="N", help="max-model-len (default: the model's own)")
    parser.add_argument("--max-num-seqs", type=int, metavar="N")
    parser.add_argument("--max-num-batched-tokens", type=int, metavar="N")
    parser.add_argument("--kv-cache-dtype", default="auto", metavar="D")
    parser.add_argument("--kv-cache-memory-gib", type=float, metavar="X", help="fixed size of the KV cache")
    parser.add_argument("--block-size", type=int, metavar="N")
    parser.add_argument("--dtype", default="auto", metavar="D")
    parser.add_argument("--quantization", metavar="Q", help="method, where the checkpoint doesn't carry one")
    parser.add_argument("--vllm", default=PINNED, metavar="VERSION", help=f"vLLM's version (default {PINNED})")
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--sampler", choices=("native", "flashinfer"), help="default: what the version takes")
    parser.add_argument("--offline", action="store_true", help="defaults of LLM() instead of vllm serve")
    parser.add_argument("--text-only", action="store_true", help="without the picture encoder")
    parser.add_argument("--max-loras", type=int, default=0, metavar="N")
    parser.add_argument("--max-lora-rank", type=int, default=16, metavar="N")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    return parser


def _spec(options: argparse.Namespace) -> tuple[list[str], EngineSpec | None]:
    problems = _numbers(options)
    card = _card(options, problems)
    try:
        behaviour = behaviour_of(options.vllm, card.kind.compute_capability if card and card.kind else None)
    except ValueError as error:
        problems.append(f"--vllm: {error}")
        behaviour = behaviour_of(PINNED)
    if options.model.endswith(".json") and not Path(options.model).is_file():
        problems.append(f"--model: {options.model} is not there. Give the path of a config.json or a hub id.")
    for flag in ("dtype", "kv-cache-dtype"):
        # Any version's words will do here: what a log calls bfloat16, an older flag may have called auto.
        problem = check_value(flag, getattr(options, flag.replace("-", "_")), NEWEST)
        if problem is not None:
            problems.append(f"--{flag}: {problem.problem}. {problem.fix}.")
    checkpoint = checkpoint_of(options.model, options.quantization)
    if problems or card is None:
        return problems, None
    pool = options.kv_cache_memory_gib
    return problems, EngineSpec(
        checkpoint=checkpoint,
        card=card,
        behaviour=behaviour,
        parallel=Parallel(
            options.tensor_parallel, options.pipeline_parallel, options.data_parallel, options.expert_parallel
        ),
        fraction=options.fraction,
        context=options.context,
        max_sequences=options.max_num_seqs,
        max_batched_tokens=options.max_num_batched_tokens,
        kv_cache_dtype=options.kv_cache_dtype,
        kv_cache_bytes=None if pool is None else int(pool * GIB),
        dtype=options.dtype,
        block_size=options.block_size,
        enforce_eager=options.enforce_eager,
        sampler=options.sampler,
        offline=options.offline,
        text_only=options.text_only,
        max_loras=options.max_loras,
        max_lora_rank=options.max_lora_rank,
    )


def _numbers(options: argparse.Namespace) -> list[str]:
    problems = []
    for name, value in vars(options).items():
        least = 0 if name == "max_loras" else 1e-9
        if isinstance(value, int | float) and not isinstance(value, bool) and not value >= least:
            problems.append(f"--{name.replace('_', '-')}: {value} is too small. Give a number above zero.")
    if options.fraction is not None and options.fraction > 1:
        problems.append(f"--fraction: {options.fraction} is more than the card. Give a share up to 1, as in 0.9.")
    return problems


def _card(options: argparse.Namespace, problems: list[str]) -> Card | None:
    memory = options.gpu_memory_gib
    kind = find_gpu(options.gpu) if options.gpu else None
    if kind is None and memory is None:
        known = nearest(options.gpu or "", all_gpus())
        problems.append(f"--gpu: {options.gpu!r} is no card that the catalogue has. {known}, or add --gpu-memory-gib.")
        return None
    if memory is None:
        assert kind is not None
        return Card(kind.name, kind.memory, kind)
    return Card(
        kind.name if kind else options.gpu or "unknown card", Interval.exact(memory * GIB), kind, is_measured=True
    )


def _cards() -> Sequence[Card]:
    """Return the common data-centre cards, as fixes that name another card."""
    kinds = (find_gpu(name) for name in ("L40S", "A100-80GB", "H100-80GB", "H200", "B200"))
    return [Card(kind.name, kind.memory, kind) for kind in kinds if kind is not None]


def _data(spec: EngineSpec, judged: Judgement, fixes: Sequence[Fix]) -> Mapping[str, Any]:
    figures = judged.estimate
    answer: dict[str, Any] = {
        "model": spec.checkpoint.name,
        "gpu": spec.card.name,
        "gpu_memory_gib": spec.card.memory.in_gib(),
        "vllm": spec.behaviour.name,
        "verdict": str(judged.verdict),
        "reasons": list(judged.reasons),
        "fixes": [{"change": fix.text, "setting": fix.setting, "value": fix.value} for fix in fixes],
        "notes": _notes(spec),
        "fraction": spec.share,
        "context": spec.tokens,
        "max_num_seqs": spec.sequences,
        "max_num_batched_tokens": spec.batched_tokens,
    }
    for name, term in _TERMS:
        answer[name] = None if figures is None else getattr(figures, term).in_gib()
    answer["requested_gib"] = spec.requested.in_gib()
    answer["kv_cache_needed_gib"] = None if figures is None else round(figures.needed_bytes / GIB, 3)
    answer["kv_cache_tokens"] = None if figures is None else figures.tokens.rounded(0)
    answer["max_concurrency"] = None if figures is None else figures.concurrency.rounded(2)
    answer["longest_context"] = None if figures is None else figures.longest_context
    return answer


def _notes(spec: EngineSpec) -> list[str]:
    notes = [f"concluded: {doubt}" for doubt in spec.checkpoint.doubts]
    notes.append(f"shape from {spec.checkpoint.source}")
    if not spec.card.is_measured:
        notes.append("memory of the card from the catalogue, not measured")
    if is_newer_than_known(spec.behaviour.name):
        notes.append(f"nothing is known of vLLM {spec.behaviour.name} yet: the newest known rules hold")
    if spec.graphs_are_outside:
        notes.append("CUDA graphs come on top of the share in this version")
    return notes


def _text(spec: EngineSpec, judged: Judgement, fixes: Sequence[Fix]) -> str:
    lines = [f"{spec.checkpoint.name} on {spec.card.name}, vLLM {spec.behaviour.name}: {judged.verdict}"]
    lines += [f"  {reason}" for reason in judged.reasons]
    figures = judged.estimate
    if figures is not None:
        rows = [
            ("asks for", figures.requested),
            *((name[:-4].replace("_", " "), getattr(figures, term)) for name, term in _TERMS),
        ]
        lines += [
            f"  {name:<12}{size.value / GIB:>9.2f} GiB   between {size.low / GIB:.2f} and {size.high / GIB:.2f}"
            for name, size in rows
        ]
        lines.append(f"  {'tokens':<12}{int(figures.tokens.value):>9,}")
        lines.append(f"  {'users':<12}{figures.concurrency.value:>9.1f}       of {spec.tokens:,} tokens each")
    lines += [f"  fix: {fix.text}" for fix in fixes]
    lines += [f"  note: {note}" for note in _notes(spec)]
    return "\n".join(lines)
