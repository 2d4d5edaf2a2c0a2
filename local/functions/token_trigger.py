"""Cognito's trigger before it makes tokens, which decides the groups that they name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from moto.core.exceptions import JsonRESTError

from local.cloud.account import REGION

if TYPE_CHECKING:
    from local.functions.pool import Functions


class TokenTrigger:
    """Asks a function. It is asked for users in groups only, where Cognito asks for all."""

    def __init__(self, functions: Functions, function: str, pool_id: str) -> None:
        self._functions = functions
        self._function = function
        self._pool_id = pool_id

    def groups(self, username: str, groups: list[str]) -> list[str]:
        """Return the groups that a user's token names.

        Raises:
            JsonRESTError: the function failed, so Cognito makes no token.
        """
        event = {
            "version": "2",
            "triggerSource": "TokenGeneration_Authentication",
            "region": REGION,
            "userPoolId": self._pool_id,
            "userName": username,
            "request": {"userAttributes": {}, "groupConfiguration": {"groupsToOverride": groups}, "scopes": []},
            "response": {"claimsAndScopeOverrideDetails": None},
        }
        result = self._functions.invoke(self._function, event)
        if result.error:
            raise JsonRESTError("UnexpectedLambdaException", f"PreTokenGeneration failed with error {result.error}.")
        details = json.loads(result.output)["response"]["claimsAndScopeOverrideDetails"]
        allowed: list[str] = details["groupOverrideDetails"]["groupsToOverride"] if details else groups
        return allowed
