"""Texts about flags, models, the hub, the host and the card, from those that end a start by themselves to consequences."""

from __future__ import annotations

from .rule import MODEL, rule

_DRIVER = "update the host's driver, or choose a hearth:images.vllm that is built for it"
_VISIBLE = (
    "look at the host: nvidia-smi (or rocm-smi) must show the card there, and the container runtime must hand it over; "
    f"without a card set {MODEL}.device: cpu"
)
_TOO_NEW = f"update hearth:images.vllm, or choose another {MODEL}.source"
_TRUST = f"add trust-remote-code: true to {MODEL}.args if you trust the code in the model's repository"
_TOKEN = f"ask for access on the model's page, then `pulumi config set --secret hearth:hfToken` and {MODEL}.gated: true"
_SOURCE = f"correct {MODEL}.source"
_SHM = f"raise {MODEL}.shm"
_NETWORK = "check that the host reaches the hub"

HOST_RULES = (
    rule(
        "shm",
        r"Insufficient space in /dev/shm for .*?: (?P<needed>[\d.]+ \w+) required, (?P<free>[\d.]+ \w+) free",
        "/dev/shm has {free} left, {needed} are needed",  # noqa: S108 - a text about it, not a path to use
        f"raise {MODEL}.shm above {{needed}}",
    ),
    rule(
        "shm",
        r"Error while creating shared memory segment (?P<segment>/dev/shm/\S+) \(size (?P<bytes>\d+)\)"
        r"|(?:failed to extend|Call to posix_fallocate failed).*No space left|No space left on device.*/dev/shm"
        r"|/dev/shm.*No space left on device",
        "NCCL found no room in /dev/shm for what the cards exchange",
        _SHM,
        starting=False,
    ),
    rule(
        "shm",
        r"[Bb]us error|\bSIGBUS\b|insufficient shared memory \(shm\)|unable to open shared memory object",
        "a process was stopped by a bus error: /dev/shm is too small for what the processes share",
        _SHM,
        starting=False,
    ),
    rule(
        "disk_full",
        r"No space left on device|\[Errno 28\]|os error 28|Not enough free disk space to download",
        "a disk of the host is full: {whole}",
        "free space on the host's disk that holds the weights and vLLM's caches",
        starting=False,
    ),
)

MODEL_RULES = (
    rule(
        "gated_model",
        r"Access to model (?P<repository>\S+) is restricted",
        "the hub gives {repository} only to those with access",
        _TOKEN,
    ),
    rule(
        "gated_model",
        r"You are trying to access a gated repo|Cannot access gated repo|GatedRepoError|is gated\. You must be",
        "the hub gives this model only to those with access",
        _TOKEN,
    ),
    rule(
        "gated_model",
        r"Invalid user token|Invalid credentials in Authorization header|401 Client Error: Unauthorized|403 (?:Client Error|Forbidden)"
        r"|Token is required|fine-grained token",
        "the hub refuses the token: {whole}",
        "`pulumi config set --secret hearth:hfToken` with a token that may read the model of " + f"{MODEL}.source",
    ),
    rule(
        "quantization",
        r"quantization method (?P<method>\S+) is not supported for the current GPU\. Minimum capability: (?P<least>\d+)\. "
        r"Current capability: (?P<capability>\d+)",
        "{method} needs compute capability {least}, the card has {capability}",
        f"choose another card ({MODEL}.gpus) or a {MODEL}.source that isn't quantized with {{method}}",
    ),
    rule(
        "quantization",
        r"Quantization scheme is not supported for\W+the current GPU\. Min capability: (?P<least>\d+)\.\W+Current capability: "
        r"(?P<capability>\d+)",
        "the model's quantization needs compute capability {least}, the card has {capability}",
        f"choose another card ({MODEL}.gpus) or another {MODEL}.source",
    ),
    rule(
        "quantization",
        r"Unknown quantization method: |Quantization method specified in the model config "
        r"| quantization is currently not supported | is not supported for quantization method "
        r"|type fp8e4nv not supported in this architecture",
        "{whole}",
        f"change {MODEL}.quantization or .dtype, or choose another {MODEL}.source",
    ),
    rule(
        "quantization",
        r"Invalid kv_cache_dtype: |FP8 KV cache is not supported|kv_cache_dtype not supported",
        "{whole}",
        f"set {MODEL}.kv_cache_dtype: auto, or another one that the card and the model support",
    ),
    rule(
        "quantization",
        r"Bfloat16 is only supported on GPUs with compute capability of at least (?P<least>[\d.]+)\. Your (?P<card>.+?) GPU has "
        r"compute capability (?P<capability>[\d.]+)",
        "bfloat16 needs compute capability {least}, {card} has {capability}",
        f"set {MODEL}.dtype: half",
    ),
    rule(
        "architecture",
        r"has model type `(?P<type>[^`]+)` but Transformers does not recognize",
        "the transformers of this image doesn't know models of type {type}",
        _TOO_NEW,
    ),
    rule(
        "architecture",
        r"Model architectures (?P<names>\[.*?\]) (?:are not supported for now|failed to be inspected)",
        "this vLLM doesn't support {names}",
        _TOO_NEW,
    ),
    rule(
        "architecture",
        r"has no vLLM implementation|Cannot find model module|does not support .*Transformers (?:implementation|backend)",
        "this vLLM doesn't support the model: {whole}",
        _TOO_NEW,
    ),
    rule(
        "architecture",
        r"contains custom code which must be executed|requires you to execute the .*?file in that repo"
        r"|set the option `trust_remote_code=True`",
        "the model brings code of its own, which must be allowed to run",
        _TRUST,
    ),
)

CARD_RULES = (
    rule(
        "driver",
        r"NVIDIA driver on your system is too old \(found version (?P<found>\d+)\)",
        "the host's NVIDIA driver is too old: it is good for CUDA {cuda} at most",
        _DRIVER,
    ),
    rule(
        "driver",
        r"(?P<what>Error 80[0-9]: [^.]+|CUDA driver version is insufficient for CUDA runtime version"
        r"|provided PTX was compiled with an unsupported toolchain|no kernel image is available for execution on the device"
        r"|Driver/library version mismatch|forward compatibility was attempted on non supported HW)",
        "driver, card and image don't go together: {what}",
        _DRIVER,
        starting=False,
    ),
    rule(
        "driver",
        r"(?P<what>Found no NVIDIA driver on your system|No (?:CUDA|HIP) GPUs are available|NVML Shared Library Not Found"
        r"|libcuda\.so\.1: cannot open shared object|Can't initialize NVML|NVMLError_\w+(?:: [\w ]+)?|CUDA unknown error"
        r"|uncorrectable ECC error|devices? is/are busy or unavailable|no CUDA-capable device is detected|has fallen off the bus)",
        "the engine can't use the card: {what}",
        _VISIBLE,
        starting=False,
    ),
    rule("driver", r"Failed to infer device type", "vLLM sees no card that it could run on", _VISIBLE),
    rule(
        "cpu_instructions",
        r"Illegal instruction|\bSIGILL\b|\b(?:requires?|needs?|without|does not support)\b[^.]{0,60}\bAVX",
        "the host's processor lacks instructions that this image uses: {whole}",
        "choose a hearth:images.vllm that is built for this processor (lscpu shows its flags), or another "
        f"{MODEL}.place; a virtual machine must hand on AVX2 and AVX512",
        starting=False,
    ),
)

FLAG_RULES = (
    rule(
        "bad_flag",
        r"error: unrecognized arguments: (?P<what>.+)",
        "vLLM doesn't know these arguments: {what}",
        f"take them out of {MODEL}.args, or choose the hearth:images.vllm that knows them",
    ),
    rule(
        "bad_flag",
        r"error: argument (?P<flag>--?[\w.-]+)(?:[/,]\s?\S+)*: (?P<what>.+)",
        "vLLM refuses {flag}: {what}",
        f"change {MODEL}.{{field}}",
    ),
    rule(
        "bad_flag",
        r"The supplied chat template (?:string )?\((?P<path>.+?)\) (?:looks like a file path|appears path-like)",
        "the chat template {path} isn't in the container",
        f"change chat-template in {MODEL}.args: a file of the image, or of the model's own directory",
    ),
    rule(
        "bad_flag",
        r": error: (?P<what>(?:the following arguments are required|ambiguous option|one of the arguments).+)",
        "vLLM refuses its arguments: {what}",
        f"change {MODEL}.args",
    ),
)

HUB_RULES = (
    rule(
        "model_missing",
        r"Repo id must be in the form .*?: '(?P<path>[^']*)'",
        "{path} is neither a directory that the engine sees nor a hub id",
        f"{_SOURCE}: a directory on the host with config.json in it, or a hub id",
    ),
    rule(
        "model_missing",
        r"^(?:OSError: )?(?P<what>.*(?:does not appear to have a file named config\.json|is not a local folder and is not a valid model "
        r"identifier))",
        "the model isn't there: {what}",
        f"{_SOURCE}: a directory on the host with config.json in it, or a hub id",
    ),
    rule(
        "model_missing",
        r"(?P<what>(?:Repository|Revision) Not Found for url: \S+|is not a valid git identifier.*"
        r"|404 Client Error: Not Found for url: \S+)",
        "the hub doesn't have it: {what}",
        f"{_SOURCE} or .revision; for a private model `pulumi config set --secret hearth:hfToken`",
    ),
    rule(
        "model_missing",
        r"(?P<what>Cannot find any model weights with .+|No model weights found in.+|Incorrect path_or_model_id: .+"
        r"|Can't load the configuration of .+?'|FileNotFoundError: .*No such file or directory: '.*(?:config\.json|\.safetensors)')",
        "the model isn't there: {what}",
        f"{_SOURCE}: a directory on the host with config.json and weights in it, or a hub id",
    ),
    rule(
        "port_taken",
        r"\[Errno 98\]|[Aa]ddress already in use|\bEADDRINUSE\b",
        "the engine's port is taken: {whole}",
        f"stop what else listens on it, or take port out of {MODEL}.args",
    ),
    rule(
        "nccl",
        r"(?P<what>NCCL error:? .+|NCCL WARN .*(?:failed|Failed).*|ncclSystemError.*|ncclUnhandledCudaError.*|DistBackendError.*NCCL.*"
        r"|Watchdog caught collective operation timeout.*)",
        "the cards can't talk to each other: {what}",
        f"raise {MODEL}.shm (10GiB), and set {MODEL}.environment: NCCL_DEBUG: INFO to see what NCCL misses",
        starting=False,
    ),
    rule(
        "download",
        r"offline mode is enabled|OfflineModeIsEnabled|outgoing traffic has been disabled|LocalEntryNotFoundError.*offline",
        "the weights aren't complete on the host, and the hub is switched off (offline mode)",
        f"let the host reach the hub once, or set {MODEL}.source to a directory with the weights",
    ),
    rule(
        "download",
        r"429 Client Error|Too Many Requests",
        "the hub answers no more for now: too many requests",
        "wait, or `pulumi config set --secret hearth:hfToken`: requests with a token have a higher limit",
    ),
    rule(
        "download",
        r"LocalEntryNotFoundError|cannot find the requested files in the (?:disk|local) cache|We couldn't connect to '"
        r"|Max retries exceeded with url|Read timed out|(?:Read|Connect)Timeout|[Nn]ame resolution|NameResolutionError"
        r"|104, 'Connection reset by peer|IncompleteRead|ChunkedEncodingError|Consistency check failed|50[0234] Server Error",
        "the weights could not be downloaded: {whole}",
        f"{_NETWORK}, raise {MODEL}.restart.timeout_start, or set {MODEL}.source to a directory with the weights",
    ),
    rule(
        "model_missing",
        r"Invalid repository ID or local directory specified: '(?P<path>[^']*)'",
        "the model isn't there: {path}",
        f"{_SOURCE}: a directory on the host with config.json in it, or a hub id",
    ),
    rule(
        "start_timeout",
        r"Timed out waiting for engine core processes to start.*?(?:Waited (?P<waited>[\d.]+) ?s|$)",
        "vLLM itself gave up its start after {waited} s",
        f"set {MODEL}.environment: VLLM_ENGINE_READY_TIMEOUT_S higher, and {MODEL}.restart.timeout_start too",
    ),
)

# Below the rules whose texts pydantic carries.
VALIDATION_RULES = (
    rule(
        "bad_flag",
        r"^\s+(?P<what>Input should be .+?|Field required|Unexpected keyword argument) \[type=\w+, input_value=(?P<given>.{1,80}?), input",
        "vLLM refuses {before}: {what} (given {given})",
        f"change {MODEL}.{{field}}",
    ),
    rule(
        "bad_flag",
        r"^\s+(?:Value|Assertion) error, (?P<what>.+?)(?: \[type=\w+, input_value=.*)?$",
        "vLLM refuses its configuration: {what}",
        f"change the field it names, or {MODEL}.args",
    ),
)

LAST_RULES = (
    rule(
        "killed",
        r"(?P<who>Worker|Engine core)\b.*\bdied\b.*exit ?code:? -?9\b|exitcode[= :]+-?9\b",
        "a process of the engine was killed (SIGKILL), by somebody or by the host for want of RAM",
        f"look at the host's log (dmesg); if it was RAM, raise {MODEL}.memory or lower .kv_cache",
        starting=False,
    ),
    rule(
        "engine_died",
        r"EngineDeadError|EngineCore encountered (?:a fatal error|an issue)|[Ee]ngine loop (?:has died|is not running)"
        r"|Engine core proc \S+ died unexpectedly|background loop has errored",
        "the engine died while it served{because}",
        f"{MODEL}.restart brings it back; if it comes again, try another hearth:images.vllm or enforce-eager: true in "
        f"{MODEL}.args",
        starting=False,
    ),
)

RULES = (
    *HOST_RULES[:3],
    *MODEL_RULES,
    *CARD_RULES,
    *FLAG_RULES,
    *HOST_RULES[3:],
    *HUB_RULES,
    *VALIDATION_RULES,
    *LAST_RULES,
)
