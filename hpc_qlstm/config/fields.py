"""What sections are made of: their base, ranges that several share, names from a registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from hpc_qlstm.registry import Registry

Size = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Rate = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Shots = Annotated[int, Field(ge=0, le=10_000_000)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, docstrings are descriptions."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class NameIn:
    """The annotation of a string that must be a name in a registry when it is read."""

    registry: Registry[Any]

    def _checked(self, value: Any) -> str:
        if value not in self.registry:
            names = ", ".join(map(repr, self.registry.names))
            raise PydanticKnownError("literal_error", {"expected": names})
        name: str = value
        return name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        # Without those of other packages: the reference is the same on every machine.
        return {"enum": list(self.registry.built_in)}
