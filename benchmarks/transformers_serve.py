"""`transformers serve`, able to serve a GGUF file from a directory.

Transformers 5.23 takes a model's class from `config.architectures`, which a GGUF's configuration
does not have, and ends with a TypeError. Here it is filled in from the model's type; all else is
the program as it is installed.
"""

import sys
from typing import Any

from transformers import AutoConfig
from transformers.cli.transformers import main
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

_original = AutoConfig.from_pretrained


def _from_pretrained(*arguments: Any, **options: Any) -> Any:
    config = _original(*arguments, **options)
    if not isinstance(config, tuple) and not config.architectures:
        config.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]
    return config


if __name__ == "__main__":
    AutoConfig.from_pretrained = _from_pretrained
    sys.argv[0] = "transformers"
    main()
