"""How much work a grammar may make: gateways refuse what is more, engines give up on it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Of llguidance's LLParserLimits, which says what each is; what is not here is as it has it.
LIMITS: Mapping[str, Any] = MappingProxyType(
    {
        "max_grammar_size": 200_000,  # symbols
        "initial_lexer_fuel": 1_000_000,  # some tens of milliseconds
        "step_lexer_fuel": 500_000,
        "step_max_items": 50_000,
        "max_lexer_states": 50_000,  # 1 to 2 kB each
        "verbose_errors": False,  # they would tell of the client's schema in the log
    }
)
