"""The numbers of a cause: what a line says, and what follows from it for the stack file."""

from __future__ import annotations

from collections.abc import Mapping

from .rule import MODEL, Rule

_SHOWN = 300
_WORDS = 160
# vllm serve's flags that have a field of their own; all others stand in `args`.
_FIELDS = {
    "max-model-len": "context",
    "gpu-memory-utilization": "memory_fraction",
    "kv-cache-memory-bytes": "kv_cache",
    "kv-cache-dtype": "kv_cache_dtype",
    "cache-dtype": "kv_cache_dtype",
    "max-num-seqs": "max_sequences",
    "max-num-batched-tokens": "max_batched_tokens",
    "tensor-parallel-size": "tensor_parallel",
    "pipeline-parallel-size": "pipeline_parallel",
    "dtype": "dtype",
    "quantization": "quantization",
    "revision": "revision",
    "max-loras": "loras",
    "max-lora-rank": "lora_rank",
}
_DOING = {
    "launching": "starting",
    "downloading": "downloading",
    "loading": "loading the weights",
    "compiling": "compiling",
    "profiling": "being profiled",
    "capturing": "capturing graphs",
    "warming": "warming up",
    "serving": "serving",
}
_MEMORY_FIXES = {
    "loading": f"raise {MODEL}.tensor_parallel, or choose a smaller or a quantized {MODEL}.source; stop what else uses the card",
    "capturing": f"lower {MODEL}.memory_fraction (graphs come on top of it in older versions) or .max_sequences",
    "warming": f"lower {MODEL}.memory_fraction or .max_sequences",
    "serving": f"lower {MODEL}.memory_fraction by 0.05, or {MODEL}.max_batched_tokens or .max_sequences",
}
_OTHER_MEMORY_FIX = f"lower {MODEL}.max_batched_tokens, .max_sequences or .context, or raise {MODEL}.tensor_parallel"


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def fill(
    rule: Rule,
    groups: Mapping[str, str],
    *,
    model: str,
    phase: str,
    text: str,
    before: str,
    reported: Mapping[str, float | int | str],
) -> tuple[str, str]:
    """Return what a rule says of a line and how to mend it; `before` is the line above, `reported` the run's figures."""
    # Only the project's own templates are formatted, never a line of the log.
    known = _Known({name: value.strip()[:_WORDS] for name, value in groups.items()})
    known.update(_derived(known))
    known.update(
        model=model, phase=_DOING.get(phase, phase), whole=text.strip()[:_WORDS], before=before.strip()[:_WORDS]
    )
    known["memory_fix"] = _MEMORY_FIXES.get(phase, _OTHER_MEMORY_FIX).format_map(known)
    left = reported.get("kv_cache_gib")
    known["cache_left"] = f" ({left} GiB)" if left is not None else ""
    estimate = known.get("estimate")
    known["estimated"] = f", enough for {estimate} tokens" if estimate not in {None, "0"} else ""
    if "field" not in known:
        known["field"] = _field(known.get("flag", before.strip()))
    needs = [name for name in ("estimate", "room", "fraction", "divisor") if f"{{{name}}}" in rule.fix]
    fix = rule.fix if all(known.get(name, "0") != "0" for name in needs) else rule.fix_now or rule.fix
    return rule.says.format_map(known)[:_SHOWN], fix.format_map(known)


def _derived(groups: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    if "free" in groups and "total" in groups:
        free, total = _float(groups["free"]), _float(groups["total"])
        if total > 0:
            values["others"] = f"{total - free:.2f}"
            hundredths = int(free * 100 / total)
            if hundredths > 0:
                values["fraction"] = f"{hundredths / 100:g}"
    if "heads" in groups and "parallel" in groups:
        heads, parallel = int(groups["heads"]), int(groups["parallel"])
        values["divisor"] = str(next((size for size in range(min(parallel, 64), 1, -1) if heads % size == 0), 1))
    if "found" in groups:
        # 12020 is CUDA 12.2 (cudaDriverGetVersion: 1000 times the major, 10 times the minor version).
        number = int(groups["found"])
        values["cuda"] = f"{number // 1000}.{number % 1000 // 10}"
    return values


def _float(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0


def _field(flag: str) -> str:
    name = flag.lstrip("-").replace("_", "-")
    return _FIELDS.get(name, f"args.{name}" if name.replace("-", "").replace(".", "").isalnum() else "args")
