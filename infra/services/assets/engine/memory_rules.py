"""Texts about memory and about the sizes that vLLM checks itself; the first of them that a log holds is the cause."""

from __future__ import annotations

from .rule import MODEL, rule

_CPU_FIX = f"set {MODEL}.memory_fraction: {{fraction}}, raise {MODEL}.memory, or stop what else uses the host's memory"
MEMORY_RULES = (
    rule(
        "kv_too_small",
        r"max seq len \((?P<context>\d+)\), \(?(?P<needed>[\d.]+) GiB KV cache is needed, which is larger than the available "
        r"KV cache memory \((?P<available>-?[\d.]+) GiB\)(?:.*estimated maximum model length is (?P<estimate>\d+))?",
        "one request of {context} tokens needs {needed} GiB of KV cache, {available} GiB are left{estimated}",
        f"set {MODEL}.context: {{estimate}}, or raise {MODEL}.memory_fraction or .kv_cache, or set .kv_cache_dtype: fp8",
        f"lower {MODEL}.context, or raise {MODEL}.memory_fraction or .kv_cache, or set .kv_cache_dtype: fp8",
    ),
    rule(
        "kv_too_small",
        r"max seq len \((?P<context>\d+)\) is larger than the maximum number of tokens that can be stored in KV cache "
        r"\((?P<room>\d+)\)",
        "one request of {context} tokens doesn't fit: the KV cache has room for {room} tokens",
        f"set {MODEL}.context: {{room}}, or raise {MODEL}.memory_fraction",
        f"raise {MODEL}.memory_fraction, or set {MODEL}.tensor_parallel so that each card holds less of the weights",
    ),
    rule(
        "kv_too_small",
        r"No available memory for the cache blocks",
        "weights and activations leave no memory for the KV cache{cache_left}",
        f"raise {MODEL}.memory_fraction, lower {MODEL}.context or .max_sequences, or raise .tensor_parallel",
    ),
    rule(
        "free_memory",
        r"Free memory on device\s*(?P<device>[\w:]*)\s*\((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than "
        r"(?:desired GPU memory utilization|the engine's budget.*?) \((?P<asked>[\d.]+), (?P<needed>[\d.]+) GiB\)",
        "{free} of {total} GiB are free on the card, {needed} GiB were asked for (memory_fraction {asked})",
        f"stop what else uses the card ({{others}} GiB), or set {MODEL}.memory_fraction: {{fraction}}",
        "stop what else uses the card ({others} GiB): less than a hundredth of it is free",
    ),
    rule(
        "free_memory",
        r"(?P<others>[\d.]+)/(?P<total>[\d.]+) GiB\) exceed the desired GPU memory utilization \((?P<asked>[\d.]+), ",
        "{others} of {total} GiB of the card are held by weights of another process, more than memory_fraction {asked}",
        f"raise {MODEL}.memory_fraction",
    ),
    rule(
        "cpu_memory",
        r"[Ww]orker already uses (?P<used>[\d.]+) ?GiB.*?more than (?:the )?(?P<needed>[\d.]+) ?GiB",
        "weights and runtime use {used} GiB of RAM, more than the {needed} GiB reserved for the worker",
        f"raise {MODEL}.memory_fraction or .memory",
    ),
    rule(
        "cpu_memory",
        r"[Ww]orker already uses (?P<used>[\d.]+)(?: ?GiB)?.*\breserved",
        "weights and runtime use {used} GiB of RAM, more than is reserved for the worker",
        f"raise {MODEL}.memory_fraction or .memory",
    ),
    rule(
        "cpu_memory",
        r"Available memory on node (?P<node>\d+) \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on startup is less than desired "
        r"CPU memory utilization \((?P<asked>[\d.]+), (?P<needed>[\d.]+) GiB\)",
        "{free} of {total} GiB of RAM are free on node {node}, {needed} GiB were asked for (memory_fraction {asked})",
        _CPU_FIX,
        f"raise {MODEL}.memory, or stop what else uses the host's memory",
    ),
    rule(
        "cpu_memory",
        r"Available memory on node (?P<node>\d+) \((?P<free>[\d.]+)/(?P<total>[\d.]+) GiB\) on kv cache allocation is less "
        r"than requested memory for kv \((?P<needed>[\d.]+)",
        "a KV cache of {needed} GiB was asked for, {free} of {total} GiB of RAM are free on node {node}",
        f"lower {MODEL}.kv_cache below {{free}}GiB, raise {MODEL}.memory, or stop what else uses the host's memory",
    ),
    rule(
        "cpu_memory",
        r"DefaultCPUAllocator: can't allocate memory: you tried to allocate (?P<bytes>\d+) bytes",
        "the host gave no {bytes} bytes of RAM",
        f"raise {MODEL}.memory, or lower {MODEL}.kv_cache or .context",
        starting=False,
    ),
    rule(
        "context_too_long",
        r"User-specified max_model_len \((?P<context>\d+)\) is greater than the derived max_model_len "
        r"\((?P<key>\w+)=(?P<most>\d+)",
        "a context of {context} tokens is longer than the model's own {most} ({key})",
        f"set {MODEL}.context: {{most}}, or leave it out",
    ),
    rule(
        "heads",
        r"Total number of attention heads \((?P<heads>\d+)\) must be divisible by tensor parallel size \((?P<parallel>\d+)\)",
        "{heads} attention heads can't be shared evenly by {parallel} cards",
        f"set {MODEL}.tensor_parallel: {{divisor}}",
    ),
    rule(
        "heads",
        r"AssertionError: (?P<heads>\d+) is not divisible by (?P<parallel>\d+)",
        "a part of the model has {heads} rows, which {parallel} cards can't share evenly",
        f"set {MODEL}.tensor_parallel: {{divisor}}",
    ),
    rule(
        "gpu_memory",
        r"CUDA out of memory occurred when warming up (?:sampler|pooler) with (?P<sequences>\d+) dummy requests",
        "the card ran out of memory while answers were tried with {sequences} requests",
        f"set {MODEL}.max_sequences below {{sequences}}, or lower {MODEL}.memory_fraction",
    ),
    rule(
        "gpu_memory",
        r"(?:CUDA|HIP) out of memory\. Tried to allocate (?P<tried>[\d.]+ \w+)\. GPU (?P<card>\d+) has a total capaci?ty of "
        r"(?P<total>[\d.]+ \w+) of which (?P<left>[\d.]+ \w+) is free",
        "card {card} ran out of memory while {phase}: {tried} more were asked for, {left} of {total} were free",
        "{memory_fix}",
        starting=False,
    ),
    rule(
        "gpu_memory",
        r"(?:CUDA|HIP) out of memory\. Tried to allocate (?P<tried>[\d.]+ \w+)",
        "the card ran out of memory while {phase}: {tried} more were asked for",
        "{memory_fix}",
        starting=False,
    ),
    rule(
        "gpu_memory",
        r"(?:CUDA|HIP)(?: driver)? error: out of memory|cudaErrorMemoryAllocation|hipErrorOutOfMemory"
        r"|Cuda failure (?:\d+ )?'out of memory'|CUBLAS_STATUS_ALLOC_FAILED|CUDA out of memory",
        "the card ran out of memory while {phase}",
        "{memory_fix}",
        starting=False,
    ),
)
