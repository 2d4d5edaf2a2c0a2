"""Request and answer models of profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints
from pydantic_core import PydanticCustomError

from purser.customers.countries import COUNTRIES
from purser.http.wire import FREE_TEXT, Instant, WireModel, one_of
from purser.profiles.model import Language, is_name
from purser.profiles.timezones import time_zones


def _rule(text: str, holds: Callable[[str], bool]) -> AfterValidator:
    def check(value: str) -> str:
        if not holds(value):
            raise PydanticCustomError("rule_profile", text)
        return value

    return AfterValidator(check)


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    _rule("must be alpha character", is_name),
    FREE_TEXT,
]
Country = Annotated[str, _rule("must be valid country", COUNTRIES.__contains__), one_of(lambda: COUNTRIES)]
LanguageCode = Annotated[
    str, _rule("must be a valid language", lambda text: text in Language.__members__), one_of(lambda: Language)
]
TimeZone = Annotated[str, _rule("must be a valid timezone", lambda text: text in time_zones()), one_of(time_zones)]


class ProfileChange(BaseModel):
    """The body of put profile: what is absent stays as it is, null empties."""

    last_name: Name | None = Field(default=None, alias="lastName")
    first_name: Name | None = Field(default=None, alias="firstName")
    country: Country | None = None
    language: LanguageCode | None = None
    timezone: TimeZone | None = None


class ProfileAnswer(WireModel):
    """A profile; null is not said."""

    lastName: str | None = Field(validation_alias="last_name")
    firstName: str | None = Field(validation_alias="first_name")
    country: str | None
    language: Language | None
    timezone: str | None
    createdAt: Instant = Field(validation_alias="created_at")
    updatedAt: Instant = Field(validation_alias="updated_at")
