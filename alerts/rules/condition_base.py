"""The common part of all conditions: strict models, bounded numbers, errors of one field."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.text import compose, is_storable

Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
MAX_MINUTES = 60 * 24 * 14  # two weeks: for longer windows a report is the better tool
Minutes = Annotated[float, Field(ge=1, le=MAX_MINUTES, allow_inf_nan=False)]


class Strict(BaseModel):
    """Refuses unknown fields, so that a misspelt field is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


def field_fault(field: str, message: str) -> ValidationError:
    """Return the error of one field that only a check of the whole model can find."""
    fault = InitErrorDetails(
        type=PydanticCustomError("unfit", "{message}", {"message": message}), loc=(field,), input=None
    )
    return ValidationError.from_exception_data("condition", [fault])


def storable(text: str) -> str:
    """Return `text`; raises ValueError for characters that the database refuses."""
    if not is_storable(text):
        raise ValueError("contains a character that cannot be stored")
    return compose(text)
