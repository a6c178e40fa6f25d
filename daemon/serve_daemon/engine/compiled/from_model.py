"""A step by the code of Transformers: the first time, and always on a GPU."""

from pathlib import Path

from serve_daemon.engine import quantization
from serve_daemon.engine.compiled import caches, kept, package
from serve_daemon.engine.compiled.ahead_of_time import AheadOfTime
from serve_daemon.engine.compiled.caches import Caches
from serve_daemon.engine.compiled.just_in_time import JustInTime
from serve_daemon.engine.compiled.prepare import Prepared, prepare
from serve_daemon.engine.compiled.protocol import Compiler, Decoder
from serve_daemon.engine.geometry import eos_tokens, weights_bytes
from serve_daemon.engine.loader import Loaded
from serve_daemon.wire.messages import EngineSpec


class FromModel:
    """See `protocol.StepSource`. Raises `EngineError` for a model that slots can't drive."""

    def __init__(self, loaded: Loaded, spec: EngineSpec) -> None:
        self._loaded, self._spec = loaded, spec
        self._prepared = prepare(loaded, spec.kv_cache_dtype)
        self.decoder = decoder_of(self._prepared)
        self._constants = package.tensors_of(self._prepared.step)

    def compiler(self, made: Caches) -> Compiler:
        caches.attach(made, self._prepared.step)
        if self._loaded.device != "cpu":
            return JustInTime(self._loaded, self._spec, self._prepared)
        return AheadOfTime(self._loaded, self._spec, self._prepared, self._keep)

    def _keep(self, code: Path) -> None:
        """Have later starts do without the model, where they can."""
        is_quantized = quantization.is_quantized(self._loaded.model)  # by operators of others
        if not (is_quantized or self._spec.trust_remote_code):
            kept.keep(self._loaded, self._spec, self.decoder, code, self._constants)


def decoder_of(prepared: Prepared) -> Decoder:
    """Ask before it has caches, which are buffers of the model too."""
    model = prepared.step.model
    config = model.config.get_text_config()
    return Decoder(
        layers=prepared.layers,
        dtype=str(prepared.dtype).removeprefix("torch."),
        cache_dtype=str(prepared.cache_dtype).removeprefix("torch."),
        vocabulary=config.vocab_size,
        max_positions=config.max_position_embeddings,
        eos_tokens=eos_tokens(model),
        weights_bytes=weights_bytes(model),
    )
