"""Whether a checkpoint generates text or makes vectors of it, told by its files. No torch."""

import json
from pathlib import Path
from typing import Any

from serve_daemon.config.sources import GGUF_SUFFIX

EMBEDDING = "embedding"  # the engine that makes vectors
CONFIG = "config.json"
MODULES = "modules.json"  # what sentence-transformers does after the model
POOLING = "1_Pooling"
SETTINGS = "sentence_*_config.json"  # the star stands for the architecture, most often "bert"

# Values of `model_type` that read a text as a whole: none of them can say what comes next.
ENCODERS = frozenset(
    {
        *("albert", "bert", "big_bird", "camembert", "canine", "convbert", "data2vec-text"),
        *("deberta", "deberta-v2", "distilbert", "electra", "ernie", "esm", "eurobert"),
        *("flaubert", "fnet", "funnel", "ibert", "jina_embeddings_v3", "longformer", "luke"),
        *("megatron-bert", "mobilebert", "modernbert", "mpnet", "mra", "nezha", "nomic_bert"),
        *("nystromformer", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer"),
        *("splinter", "squeezebert", "xlm-roberta", "xlm-roberta-xl", "xmod", "yoso"),
    }
)
# Of these the first positions are not used: they count from that of the padding on.
COUNTING_FROM_PADDING = frozenset(
    {
        *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta"),
        *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    }
)
NO_LIMIT = 10**9  # what a tokenizer's config says where there is none is larger


def problem_of(engine: str, checkpoint: Path | None) -> str:
    """Why `engine` is of the wrong kind for a checkpoint, and what to set; "" if it isn't.

    None, or a folder that can't be read, is for the engine to find.
    """
    if checkpoint is None:
        return ""
    if checkpoint.suffix == GGUF_SUFFIX:
        is_wrong = engine == EMBEDDING
        return "is a .gguf file, and engine 'embedding' reads safetensors" if is_wrong else ""
    config = read_json(checkpoint / CONFIG)
    if not config:
        return ""
    if is_embedding_model(checkpoint, config):
        return "" if engine == EMBEDDING else 'is an embedding model; set engine = "embedding"'
    if engine != EMBEDDING:
        return ""
    return (
        f"is no embedding model: it has no {MODULES}, and is no encoder; set engine ="
        ' "continuous", or use another source'
    )


def is_embedding_model(folder: Path, config: dict[str, Any]) -> bool:
    """Whether the checkpoint in `folder`, whose config.json is `config`, is made for vectors."""
    if (folder / MODULES).is_file() or (folder / POOLING).is_dir():
        return True
    return config.get("model_type") in ENCODERS and not config.get("is_decoder")


def longest_text(folder: Path) -> int:
    """Tokens that a text may have, special ones included; 0 where no file tells."""
    config = read_json(folder / CONFIG)
    limits = [_positions(config.get("text_config") or config), _told_length(folder)]
    return min((limit for limit in limits if 0 < limit < NO_LIMIT), default=0)


def settings_of(folder: Path) -> dict[str, Any]:
    """What sentence-transformers is told of the model's tokenizer."""
    return next((read_json(file) for file in sorted(folder.glob(SETTINGS))), {})


def read_json(file: Path) -> dict[str, Any]:
    """The object in `file`; an empty one where that is none."""
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):  # the engine tells what is wrong with it, when it loads it
        return {}
    return content if isinstance(content, dict) else {}


def _told_length(folder: Path) -> int:
    told = settings_of(folder).get("max_seq_length")
    return _whole(told or read_json(folder / "tokenizer_config.json").get("model_max_length"))


def _positions(config: dict[str, Any]) -> int:
    positions = _whole(config.get("max_position_embeddings"))
    if config.get("model_type") in COUNTING_FROM_PADDING:
        positions -= _whole(config.get("pad_token_id", 1)) + 1
    return positions


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
