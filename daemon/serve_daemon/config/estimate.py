"""How much memory an engine will take, told before it starts. No torch: headers are read."""

from pathlib import Path

from msgspec import Struct

from serve_daemon.config import dtypes, kept_gguf, kv_cache, model_kind
from serve_daemon.config.architecture import Architecture, architecture_of
from serve_daemon.config.batching import step_tokens, texts_tokens
from serve_daemon.config.checkpoint import BITSANDBYTES, GGUF, quantization_of
from serve_daemon.config.free_memory import total_host_bytes
from serve_daemon.config.located import located
from serve_daemon.config.probe import Probe
from serve_daemon.config.tensors import Tensor, dtype_of, tensors_of
from serve_daemon.config.tuning import Model
from serve_daemon.config.weight_bytes import Holding, dummy_tensors, held_bytes

CPU, CUDA = "cpu", "cuda"
# What a process has after its first step that it hadn't before: the code of kernels that came into
# memory, the threads that compute and their heaps.
FIRST_STEP_BYTES = {CPU: 32 * 2**20, CUDA: 256 * 2**20}
# What engine continuous takes more on a CPU with the 8-bit layers of bitsandbytes, which it uses as
# they are. Found with SmolLM2 alone; code that oneDNN keeps may be a part of it.
EIGHT_BIT_BYTES = 256 * 2**20
# What engine embedding takes more on a CPU: its steps are of many shapes, for each of which oneDNN
# keeps a program, and those lie between what is freed.
SHAPES_BYTES = 48 * 2**20
LOGITS_COPIES = 5  # float32, while a token is drawn of each row
ACTIVATION_COPIES = 4  # of a layer's inner states, which live at the same time


class Estimate(Struct, frozen=True):
    """Bytes that one engine process takes on the device it runs on."""

    program: int  # interpreter, torch and Transformers, as the probe measured them
    weights: int
    kv_cache: int  # when every sequence is as long as it may get
    workspace: int  # what a step and the loading take for a while

    @property
    def total(self) -> int:
        return self.program + self.weights + self.kv_cache + self.workspace


def estimate(model: Model, machine: Probe, python: str = "") -> Estimate | None:
    """What one engine of `model` takes, all of whose keys are filled in, on its first device.

    None where nothing is known yet: the checkpoint is not downloaded, or no engine of the kind has
    been measured. `python` is the interpreter that engines run under, "" our own.
    """
    is_dummy = model.load_format == "dummy"
    checkpoint = located(model.source, python, with_weights=not is_dummy)
    if checkpoint is None or model.engine not in machine.program_bytes:
        return None
    try:
        architecture = architecture_of(checkpoint)
        tensors = dummy_tensors(architecture) if is_dummy else tensors_of(checkpoint)
    except (OSError, ValueError, LookupError):  # the engine tells what is wrong with it
        return None
    return _Subject(model, machine, checkpoint, architecture, tensors).estimate()


class _Subject(Struct, frozen=True):
    """An engine to be, and all that is known of it."""

    model: Model
    machine: Probe
    checkpoint: Path
    architecture: Architecture
    tensors: list[Tensor]

    def estimate(self) -> Estimate:
        weights = held_bytes(self.tensors, self._holding)
        cache = self._cache_bytes(weights)
        return Estimate(self._program_bytes, weights, cache, self._workspace_bytes(cache))

    @property
    def _makes_vectors(self) -> bool:
        return self.model.engine == model_kind.EMBEDDING

    @property
    def _kind(self) -> str:
        """Of the device."""
        asked = self.model.devices[0]
        if asked == "auto":
            return CPU if all(each.name == CPU for each in self.machine.devices) else CUDA
        return asked.partition(":")[0]

    @property
    def _program_bytes(self) -> int:
        measured = self.machine.program_bytes
        if self._kind == CUDA:
            return measured.get(CUDA, 0)
        is_bitsandbytes = self.model.quantization != "none" or self._stored == BITSANDBYTES
        return measured[self.model.engine] + measured.get(BITSANDBYTES, 0) * is_bitsandbytes

    @property
    def _stored(self) -> str:
        return quantization_of(self.checkpoint)

    @property
    def _dtype(self) -> str:
        has_bf16 = dtypes.this_cpu_has_bf16()
        named = self.architecture.dtype
        if self._makes_vectors:
            named = named or dtype_of(self.tensors)
        return dtypes.resolve(self.model.dtype, named, self._kind, cpu_has_bf16=has_bf16)

    @property
    def _bytes_per_value(self) -> int:
        return 4 if self._dtype == "float32" else 2

    @property
    def _holding(self) -> Holding:
        on_cpu = self._kind == CPU
        is_plain = self._stored in {"", GGUF} and self._dtype == "bfloat16"
        is_plain &= not self._makes_vectors
        return Holding(
            bytes_per_value=self._bytes_per_value,
            quantization=self.model.quantization,
            stored=self._stored,
            on_cpu=on_cpu,
            is_packed=on_cpu and is_plain and dtypes.this_cpu_has_bf16(),
            is_tied=self.architecture.is_tied,
            is_kept=self._is_kept,
        )

    @property
    def _is_kept(self) -> bool:
        """Whether the blocks of a GGUF file stay as they are."""
        model, on_cpu = self.model, self._kind == CPU
        found = kept_gguf.hindrance(model.engine, model.quantization, self._dtype, on_cpu=on_cpu)
        if self._stored != GGUF or model.gguf == kept_gguf.DEQUANTIZE or found is not None:
            return False
        return model.gguf == kept_gguf.KEEP or kept_gguf.is_fast(dtypes.this_cpu_flags())

    def _cache_bytes(self, weights: int) -> int:
        if self._makes_vectors:
            return 0
        sizes, model = self.architecture, self.model
        wishes = kv_cache.Wishes(
            model.engine, model.max_requests, model.max_context, int(model.kv_cache_memory)
        )
        positions = sizes.max_positions or model.max_context or kv_cache.USUAL_CONTEXT
        geometry = kv_cache.Geometry(
            layers=sizes.layers,
            key_value_heads=sizes.key_value_heads,
            head_size=sizes.head_size,
            bytes_per_value=1 if model.kv_cache_dtype == "int8" else self._bytes_per_value,
            max_positions=positions,
            scale_bytes=kv_cache.SCALE_BYTES[model.kv_cache_dtype],
        )
        most = kv_cache.most_bytes(wishes, self._memory_bytes - weights, self._kind)
        if wishes.kv_cache_memory and model.engine == "continuous":
            return most
        return min(kv_cache.wanted_tokens(wishes, positions) * geometry.bytes_per_token, most)

    @property
    def _memory_bytes(self) -> int:
        """All that the device has, or as much as we may have of it."""
        whole = [
            each.memory_bytes for each in self.machine.devices if each.name.startswith(self._kind)
        ]
        limits = [total_host_bytes()] if self._kind == CPU else []
        return min([*whole, *(limit for limit in limits if limit is not None)], default=0)

    def _workspace_bytes(self, cache: int) -> int:
        if self._makes_vectors:
            return self._lasting_bytes + self._texts_bytes
        sizes, model = self.architecture, self.model
        logits = model.max_requests * sizes.vocabulary * 4 * LOGITS_COPIES
        tokens = step_tokens(model.max_batch_tokens, model.max_requests, self._kind)
        activations = tokens * self._token_bytes
        # What a layer attends to is put together from the pages that it lies in.
        gathered = 2 * cache // sizes.layers if model.engine == "continuous" else 0
        return self._lasting_bytes + logits + activations + gathered

    @property
    def _token_bytes(self) -> int:
        """What a layer makes of one token of a step."""
        sizes = self.architecture
        states = 2 * sizes.hidden_size + sizes.intermediate_size + 2 * sizes.heads * sizes.head_size
        return states * self._bytes_per_value * ACTIVATION_COPIES

    @property
    def _texts_bytes(self) -> int:
        """What a step of engine embedding takes: of several texts, or of the longest alone."""
        model, longest = self.model, model_kind.longest_text(self.checkpoint)
        longest = min(model.max_context or longest, longest)
        tokens = max(texts_tokens(model.max_batch_tokens, self._kind), longest)
        is_eager = model.attn_implementation == "eager"
        scores = 2 * self.architecture.heads * longest * self._bytes_per_value * is_eager
        return tokens * (self._token_bytes + scores)

    @property
    def _lasting_bytes(self) -> int:
        """What computing leaves behind, however little is computed."""
        names = (self._kind, self.model.engine, self.model.quantization)
        extra = EIGHT_BIT_BYTES if names == (CPU, "continuous", "bnb-8bit") else 0
        extra += SHAPES_BYTES if self._makes_vectors and self._kind == CPU else 0
        return FIRST_STEP_BYTES[self._kind] + extra
