"""Permissions of functions in tests: a function may call only what its role in ``template.yaml`` allows.

``tests.support.functions.load_function`` holds every handler to its role. The environment names the resources, so it
must be set before an invocation.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import cache, wraps
from typing import Any

from botocore.client import BaseClient

from tests.support.template import functions, resources, template

# Calls that Cognito takes without any permission: they carry a password or a token of the user's own.
UNSIGNED = {
    "InitiateAuth",
    "RespondToAuthChallenge",
    "GetTokensFromRefreshToken",
    "GetUser",
    "GlobalSignOut",
    "RevokeToken",
}
IN_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
SINGLE = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
}

CONTEXT = "kms:EncryptionContextKeys"

Permission = tuple[str, str]
"""An action, and the logical id of a resource, with the index where it is one: ``("dynamodb:Query", "KeysTable")``.

Of a KMS key, with the names in the encryption context: ``("kms:Decrypt", "CredentialKey/keyId/userId")``.
"""


def kept(name: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a handler of ``functions/<name>`` that fails when an invocation goes beyond the function's role.

    Raises:
        AssertionError: an invocation called what the role does not allow; the text says what is missing.
    """
    _watch()

    @wraps(handler)
    def invoke(*arguments: Any) -> Any:
        missing: set[Permission] = set()
        token = _invocation.set((name, missing))
        try:
            answer = handler(*arguments)
        finally:
            _invocation.reset(token)
        assert not missing, f"the role of {name} does not allow {sorted(missing)}"
        return answer

    return invoke


_invocation: ContextVar[tuple[str, set[Permission]] | None] = ContextVar("invocation", default=None)
"""The function of the current invocation, and the permissions that its role misses."""


@cache
def _watch() -> None:
    """Watch every AWS call of this process, and charge it to the invocation that made it, in whichever thread."""
    # The stubs leave private methods out, and no event of botocore comes before every call of every client.
    make_call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def watched(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if invocation := _invocation.get():
            name, missing = invocation
            missing.update(set(needed(client.meta.service_model.signing_name, operation, parameters)) - allowed(name))
        return make_call(client, operation, parameters)

    submit: Any = ThreadPoolExecutor.submit

    def submitted(pool: ThreadPoolExecutor, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        return submit(pool, copy_context().run, call, *arguments, **named)

    BaseClient._make_api_call = watched  # type: ignore[attr-defined]
    ThreadPoolExecutor.submit = submitted  # type: ignore[assignment,method-assign]


def needed(service: str, operation: str, parameters: dict[str, Any]) -> Iterator[Permission]:
    """Return the permissions that one call needs."""
    if service == "dynamodb":
        yield from _of_tables(operation, parameters)
    elif operation == "PutEvents":
        yield from (("events:PutEvents", _logical_id(entry["EventBusName"])) for entry in parameters["Entries"])
    elif operation not in UNSIGNED:
        places = (parameters[name] for name in ("QueueUrl", "KeyId", "UserPoolId", "SecretId") if name in parameters)
        context = parameters.get("EncryptionContext", {})
        yield f"{service}:{SINGLE.get(operation, operation)}", _in_context(_logical_id(next(places, "")), context)


def _of_tables(operation: str, parameters: dict[str, Any]) -> Iterator[Permission]:
    if operation == "TransactWriteItems":
        for part in parameters["TransactItems"]:
            ((kind, request),) = part.items()
            yield f"dynamodb:{IN_TRANSACTIONS[kind]}", _logical_id(request["TableName"])
    elif "RequestItems" in parameters:
        for table in parameters["RequestItems"]:
            yield f"dynamodb:{operation}", _logical_id(table)
    else:
        index = f"/index/{parameters['IndexName']}" if "IndexName" in parameters else ""
        yield f"dynamodb:{operation}", _logical_id(parameters["TableName"]) + index


def _in_context(place: str, names: Iterable[str]) -> str:
    return "/".join([place, *sorted(names)])


def _logical_id(place: str) -> str:
    return next((name for name, variable in _variables().items() if os.environ.get(variable) == place), place)


@cache
def _variables() -> dict[str, str]:
    """Return the environment variables that name a resource or a secret, by the logical id of what they name."""
    variables = [each for function in functions().values() for each in function["Environment"]["Variables"].items()]
    named = {value["Ref"]: variable for variable, value in variables if isinstance(value, dict) and "Ref" in value}
    known = template()["Resources"]
    return {name: variable for name, variable in named.items() if name in known or name.endswith("SecretId")}


@cache
def allowed(name: str) -> frozenset[Permission]:
    """Return the permissions of the role of ``functions/<name>``, from its policies and the key policy."""
    role = "".join(map(str.capitalize, name.split("_"))) + "Role"
    shared = [p for p in resources("AWS::IAM::Policy").values() if {"Ref": role} in p["Roles"]]
    policies = [*resources("AWS::IAM::Role")[role].get("Policies", []), *shared]
    own = [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]
    key = resources("AWS::KMS::Key")["CredentialKey"]["KeyPolicy"]["Statement"]
    principal = {"Fn::GetAtt": [role, "Arn"]}
    by_key = [statement for statement in key if principal in many(statement["Principal"].get("AWS"))]
    return frozenset(
        [(action, logical_id(place)) for s in own for action in many(s["Action"]) for place in many(s["Resource"])]
        + [(action, _in_context("CredentialKey", _context(s))) for s in by_key for action in many(s["Action"])]
    )


def _context(statement: dict[str, Any]) -> list[str]:
    """Return the names that a statement of a key policy requires in the encryption context."""
    return many(statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get(CONTEXT, []))


def many(value: Any) -> list[Any]:
    """Return the value of a policy as a list: a single value may stand without brackets."""
    return value if isinstance(value, list) else [value]


def logical_id(resource: dict[str, Any]) -> str:
    """Return the logical id in the resource of a policy, with an index that follows it."""
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    found = re.findall(r"\$\{(\w+)(?:\.Arn)?\}(/index/\w+)?", resource["Fn::Sub"])
    return "".join(found[-1])
