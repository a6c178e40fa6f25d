"""What every SDK is made to ask."""

from pydantic import BaseModel

QUESTION = "Name the capital of France."
WEATHER_PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "enum": ["Paris", "Rome", "Lima"]},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}


class Place(BaseModel):
    """What answers in a form are asked for; no value is longer than the model's patience."""

    kind: str
    is_capital: bool
    rank: int
