"""Bodies of PATCH: a field that is left out does not change."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator


class Patch(BaseModel):
    """A change of some fields; only fields of `clearable` may be null."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    clearable: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def changes_something(self) -> Self:
        """Refuse an empty change, and null where there must be a value."""
        if not self.model_fields_set:
            raise ValueError("give at least one field")
        empty = {name for name in self.model_fields_set - self.clearable if getattr(self, name) is None}
        if empty:
            raise ValueError(f"{', '.join(sorted(empty))} cannot be null")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the fields that the body names."""
        return self.model_dump(exclude_unset=True)
