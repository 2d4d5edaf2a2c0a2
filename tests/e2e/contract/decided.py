"""Where an answer is not what the reference prints, and why: contract.md and the reference's own tables of fields.

This is the one place for it; everything else is as printed.
"""

from __future__ import annotations

SLIPS = {
    # "Where the reference misspells a message, as in traililng, spell it right."
    "traililng": "trailing",
    # The one time that it prints without its zone: "ISO 8601 with milliseconds and Z".
    '"2022-09-09T02:01:23.456"': '"2022-09-09T02:01:23.456Z"',
}

ADDED = frozenset(
    {
        # "Delete: 204", of which the reference prints nothing.
        ("DELETE /v1/priv/account/exchange/key/{id}", "204"),
    }
)

ONE_ORDER = (
    # "There is one order shape, the union of their fields, null where unknown."
    "POST /v1/priv/exchange/order/{id}",
    "GET /v1/priv/exchange/order/{id}/list",
    "GET /v1/priv/exchange/order/{id}/history",
)

BY_ASSET = "GET /v1/priv/account/exchange/key/{id}/balance"
"""Its names are data: the assets that the key has."""

ALSO = {
    # "String/null" in the tables of fields.
    "lastName": "null",
    "firstName": "null",
    "country": "null",
    "language": "null",
    "timezone": "null",
    "description": "text",
    # There is a further page.
    "nextToken": "text",
    # A range without results, as in the rows of a history.
    "netProfitPercent": "null",
    "winRate": "null",
    "maxDrawDown": "null",
    # "Null where unknown": only trailing orders have these two.
    "trailingTriggerPrice": "null",
    "callbackRate": "number",
}
"""What a field of a name may be besides what the examples show, wherever it stands."""
