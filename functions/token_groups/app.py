"""TokenGroups: Cognito asks it which groups the tokens of a user name."""

from __future__ import annotations

from typing import Any

from purser.bootstrap.people import token_groups


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Return the event with the groups that the tokens may name, if that is not all of them."""
    given = event["request"]["groupConfiguration"]
    groups = given.get("groupsToOverride") or []
    allowed = token_groups(event["userPoolId"]).of(event["userName"], groups)
    if allowed != groups:
        overridden = {**given, "groupsToOverride": allowed}
        event["response"] = {"claimsAndScopeOverrideDetails": {"groupOverrideDetails": overridden}}
    return event
