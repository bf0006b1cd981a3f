"""Parses conditions in requests; each fault has the path of the faulty field."""

from typing import Annotated, Any

from pydantic import ValidationError, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError

from alerts.rules.conditions import Condition, parse_condition

Location = tuple[int | str, ...]


def read_conditions(value: Any, _: Any) -> Condition:
    """Return the conditions of a JSON document; raises ValidationError with paths as the sender wrote them."""
    try:
        return parse_condition(value)
    except ValidationError as error:
        faults = [
            InitErrorDetails(
                type=PydanticCustomError("unfit", "{message}", {"message": fault["msg"]}),
                loc=plain_location(fault["loc"]),
                input=None,
            )
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise ValidationError.from_exception_data("conditions", faults) from None


def plain_location(location: Location) -> Location:
    """Return a location without the kinds of conditions, which pydantic inserts before their fields."""
    fields = location[1:]
    if len(fields) > 1 and isinstance(fields[1], int):  # of `all` or `any`
        return (*fields[:2], *plain_location(fields[2:]))
    return fields


Conditions = Annotated[Condition, WrapValidator(read_conditions)]
