"""The keys of models and profiles; as in `schema`, with all that is to be known of each."""

from typing import Literal, Self

from pydantic import ByteSize

from serve_daemon.config.tables import Effect, Table, key
from serve_daemon.config.values import (
    Count,
    CountOrZero,
    Devices,
    Name,
    Seconds,
    SecondsOrZero,
    SizeOrZero,
    Switch,
)


class Tuning(Table):
    """The keys that a profile may set and a model may override."""

    engine: Literal["continuous", "compiled", "embedding"] = key(
        "continuous",
        "How tokens are made: continuous is Transformers' continuous batching, compiled a decode"
        " loop compiled ahead of time, which requests join and leave as well: several times as fast"
        " on a CPU, for models whose attention it can drive. embedding makes no tokens, but the"
        " vectors of /v1/embeddings.",
        Effect.REPLACE,
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = key(
        "auto",
        "Type of weights and activations. auto: the checkpoint's, but on a CPU bfloat16 only where"
        " the CPU computes in it.",
        Effect.REPLACE,
    )
    attn_implementation: str = key(
        "auto",
        "Attention backend, as Transformers names it: auto, sdpa, eager, flash_attention_2 or 3,"
        " flex_attention, or a kernel of the Hub (ORG/NAME[@REVISION][:FUNCTION]).",
        Effect.REPLACE,
        min_length=1,
    )
    quantization: Literal["none", "bnb-4bit", "bnb-8bit"] = key(
        "none",
        "Quantizes plain weights at load: bnb-4bit is NF4 with double quantization, bnb-8bit is"
        " LLM.int8. A checkpoint that is quantized already is found out and needs nothing.",
        Effect.REPLACE,
    )
    gguf: Literal["auto", "keep", "dequantize"] = key(
        "auto",
        "What becomes of the block-quantized weights of a GGUF file. keep: they stay as they are,"
        " in memory too, and activations are multiplied by them in 8 bits. dequantize: they are"
        " unpacked once, to dtype. auto: keep on a CPU that has what makes it fast and where"
        " quantization is none.",
        Effect.REPLACE,
    )
    device: Devices = key(
        "auto",
        "Where the model runs: auto, cpu, cuda or cuda:N; of a list each replica gets one in turn.",
        Effect.REPLACE,
    )
    load_format: Literal["auto", "dummy"] = key(
        "auto",
        "auto reads the weights of source; dummy makes random ones from its config.json.",
        Effect.REPLACE,
    )
    trust_remote_code: bool = key(
        False,
        "Whether Python code that comes with the checkpoint may run.",
        Effect.REPLACE,
    )
    max_requests: Count = key(
        32,
        "Sequences that decode at once, or requests for embeddings that share steps; more wait.",
        Effect.REPLACE,
    )
    max_context: CountOrZero = key(
        0,
        "Tokens of a sequence, prompt and output together. 0: what the model and the KV cache"
        " allow.",
        Effect.REPLACE,
    )
    max_batch_tokens: CountOrZero = key(
        0, "Tokens of one step, prompts included. 0: chosen by the engine.", Effect.REPLACE
    )
    kv_cache_memory: SizeOrZero = key(
        ByteSize(0),
        "Memory for keys and values, in bytes or like 2GiB. 0: chosen by the engine.",
        Effect.REPLACE,
    )
    kv_cache_dtype: Literal["auto", "int8"] = key(
        "auto",
        "Type of keys and values as engine compiled keeps them on a CPU. auto: that of activations;"
        " int8, with a scale for each token and head, takes about half the memory.",
        Effect.REPLACE,
    )
    allow_block_sharing: bool = key(
        True,
        "Whether requests that begin alike share keys and values.",
        Effect.REPLACE,
    )
    default_compile_level: int = key(
        0,
        "How far engine continuous has torch compile the model: 0 not at all, 1 plainly, 2 tuned, 3"
        " tuned and for every shape anew. Each level takes longer to start.",
        Effect.REPLACE,
        ge=0,
        le=3,
    )
    use_cuda_graph: Switch = key(
        "auto",
        "Whether engine continuous replays its steps as CUDA graphs, on a GPU. auto: with flash"
        " attention.",
        Effect.REPLACE,
    )
    use_async_batching: Switch = key(
        "auto",
        "Whether engine continuous prepares a step while the one before is computed, on a GPU."
        " auto: with CUDA graphs.",
        Effect.REPLACE,
    )
    cpu_offload_space: SizeOrZero = key(
        ByteSize(0),
        "Memory of the host that engine continuous moves keys and values to when those of a GPU run"
        " short, in bytes or like 2GiB.",
        Effect.REPLACE,
    )
    replicas: Count = key(
        1, "Engines that serve the model; requests are spread over them.", Effect.UPDATE
    )
    threads: CountOrZero = key(
        0, "CPU threads of the engine. 0: its share of the cores.", Effect.UPDATE
    )
    memory_max: SizeOrZero = key(
        ByteSize(0),
        "Memory of the host that each engine may take, in bytes or like 8GiB: one that needs more"
        " is killed, and it alone. Takes a unit with Delegate=. 0: what there is.",
        Effect.UPDATE,
    )
    cpu_weight: int = key(
        100,
        "Share of the CPUs that each engine gets where they are scarce, beside the 100 of others."
        " Takes a unit with Delegate=.",
        Effect.UPDATE,
        ge=1,
        le=10000,
    )
    max_queue: CountOrZero = key(
        128, "Requests that may wait beyond max_requests; more get status 429.", Effect.UPDATE
    )
    queue_timeout: Seconds = key(
        300.0, "Seconds that a request waits for an engine that is not ready.", Effect.UPDATE
    )
    preload: bool = key(
        True,
        "Whether the engine starts with the daemon; else the first request starts it.",
        Effect.UPDATE,
    )
    idle_timeout: SecondsOrZero = key(
        0.0,
        "Seconds after its last token in which a model without requests is put to sleep: its engine"
        " ends, and the next request starts it. 0: never.",
        Effect.UPDATE,
    )
    start_timeout: Seconds = key(
        1800.0,
        "Seconds in which an engine must be ready; progress of a download extends it.",
        Effect.UPDATE,
    )
    hang_timeout: Seconds = key(
        60.0,
        "Seconds without a finished step, while there is work, or without a sign of life, after"
        " which an engine is killed: 3 at least, as a sign of life comes every second.",
        Effect.UPDATE,
        ge=3,
    )
    restart_delay: Seconds = key(
        0.5,
        "Seconds before the first restart after a crash; each further one doubles the delay.",
        Effect.UPDATE,
    )
    restart_delay_max: Seconds = key(
        30.0, "The longest delay before a restart, in seconds.", Effect.UPDATE
    )
    start_limit: Count = key(
        5, "Crashes within start_limit_interval after which a model has failed.", Effect.UPDATE
    )
    start_limit_interval: Seconds = key(
        300.0, "Seconds over which crashes are counted.", Effect.UPDATE
    )

    @property
    def devices(self) -> list[str]:
        """As a list, whether it is one or not."""
        return [self.device] if isinstance(self.device, str) else self.device

    def on(self, device: str) -> Self:
        """The same, on one device."""
        return self.model_copy(update={"device": device})


class Profile(Tuning):
    """[profiles.NAME]: a named set of optimizations."""

    extends: str = key("", "A profile whose keys hold where this one sets none.", Effect.UPDATE)


class Model(Tuning):
    """[models.NAME]: a model and the name that clients call it by."""

    source: str = key(
        "",
        "A directory, a .gguf file, a Hub id (ORG/NAME[@REVISION][:FILE]) or python:PACKAGE/FILE."
        " A directory begins with /, ./ or ../; what is relative starts from the directory of the"
        " file that sets it. Empty: the model's name.",
        Effect.REPLACE,
    )
    profile: str = key("", "The profile whose keys hold where this model sets none.", Effect.UPDATE)
    aliases: list[Name] = key([], "Further names that clients may use.", Effect.UPDATE)
