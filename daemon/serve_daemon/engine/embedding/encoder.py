"""A model and what follows it: from the tokens of some texts to a vector of each."""

import torch
from transformers import PreTrainedModel

from serve_daemon.engine.embedding.modules import modules_of
from serve_daemon.engine.embedding.pooling import Tail
from serve_daemon.engine.loader import Loaded


class Encoder:
    """Computes the texts of one step."""

    def __init__(self, loaded: Loaded) -> None:
        self._model: PreTrainedModel = loaded.model
        self._model.config.use_cache = False  # keys and values that nobody reads
        self._device = loaded.device
        self._padding: int = getattr(loaded.model.config, "pad_token_id", None) or 0
        self._tail = Tail(modules_of(loaded.checkpoint), loaded.device)

    @torch.inference_mode()
    def vectors(self, texts: list[list[int]]) -> torch.Tensor:
        """[texts, dimensions] in float32, on the host."""
        tokens, mask = (each.to(self._device) for each in self._padded(texts))
        states = self._model(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask[:, :, None].to(torch.float32)
        return self._tail(states.to(torch.float32), weights).cpu()

    def _padded(self, texts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and mask, both [texts, length of the longest]; a decoder wants it right, too.

        Its last token sees all of its text and nothing of what follows.
        """
        longest = max(map(len, texts))
        tokens = [text + [self._padding] * (longest - len(text)) for text in texts]
        mask = [[1] * len(text) + [0] * (longest - len(text)) for text in texts]
        return torch.tensor(tokens), torch.tensor(mask)
