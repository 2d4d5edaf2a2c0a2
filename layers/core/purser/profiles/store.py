"""Profiles in the Accounts table: ``PK=USER#<sub>, SK=PROFILE``."""

from __future__ import annotations

from purser.aws.tables import Item, Table
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
        """The user's profile, or None: one read."""
        item = self._table.get(f"USER#{user_id}", SORT_KEY)
        return _profile_of(item) if item else None

    def merge(self, user_id: str, change: Change, now: int) -> Profile:
        """One update of the given fields alone, so that changes at the same instant all last."""
        set_fields = {name: value for name, value in change.items() if value is not None}
        sets = ["createdAt = if_not_exists(createdAt, :now)", "updatedAt = :now"]
        sets += [f"#{name} = :{name}" for name in set_fields]
        removes = [f"#{name}" for name in change if name not in set_fields]
        expression = "SET " + ", ".join(sets) + (" REMOVE " + ", ".join(removes) if removes else "")
        item = self._table.update(
            f"USER#{user_id}",
            SORT_KEY,
            expression,
            {f":{name}": value for name, value in set_fields.items()} | {":now": now},
            names={f"#{name}": ATTRIBUTES[name] for name in change} or None,
        )
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
