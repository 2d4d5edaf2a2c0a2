"""Profiles in the Accounts table: ``PK=USER#<sub>, SK=PROFILE``."""

from __future__ import annotations

from purser.aws.tables import Item, Table, setting
from purser.profiles.model import Change, Language, Profile

SORT_KEY = "PROFILE"
ATTRIBUTES = {
    "last_name": "lastName",
    "first_name": "firstName",
    "country": "country",
    "language": "language",
    "timezone": "timezone",
}


class DynamoProfileStore:
    """The profile store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, user_id: str) -> Profile | None:
        item = self._table.get(f"USER#{user_id}", SORT_KEY)
        return _profile_of(item) if item else None

    def merge(self, user_id: str, change: Change, now: int) -> Profile:
        changes = {ATTRIBUTES[name]: value for name, value in change.items()} | {"updatedAt": now}
        expression, values, names = setting(changes, "createdAt = if_not_exists(createdAt, :updatedAt)")
        item = self._table.update(f"USER#{user_id}", SORT_KEY, expression, values, names=names)
        return _profile_of(item)


def _profile_of(item: Item) -> Profile:
    return Profile(
        last_name=item.get("lastName"),
        first_name=item.get("firstName"),
        country=item.get("country"),
        language=Language(item["language"]) if "language" in item else None,
        timezone=item.get("timezone"),
        created_at=int(item["createdAt"]),
        updated_at=int(item["updatedAt"]),
    )
