"""The only deviations from the answers that the reference prints, each with the sentence that decides it.

The sentences are from the contract and the tables of fields in the reference.
"""

from __future__ import annotations

SLIPS = {
    # "Where the reference misspells a message, as in traililng, spell it right."
    "traililng": "trailing",
    # The only time that is printed without a zone: "ISO 8601 with milliseconds and Z".
    '"2022-09-09T02:01:23.456"': '"2022-09-09T02:01:23.456Z"',
}

ADDED = frozenset(
    {
        # "Delete: 204", for which the reference prints nothing.
        ("DELETE /v1/priv/account/exchange/key/{id}", "204"),
    }
)

ADDED_FIELDS: dict[tuple[str, str], dict[str, str | bool | None]] = {
    # "`hostedInvoiceUrl` in `GET …/stripe`, null unless past due". An update answers the same object.
    # `collectionPaused` tells the user why no plan can be chosen (docs/decisions/billing.md).
    ("GET /v1/priv/account/subscription/stripe", "200"): {"hostedInvoiceUrl": None, "collectionPaused": False},
    ("PUT /v1/priv/account/subscription/stripe", "200"): {"hostedInvoiceUrl": None, "collectionPaused": False},
    # "`detail` is the venue's own text, bounded and cleaned."
    ("PUT /v1/priv/exchange/order/{id}/leverage", "433 1500"): {"detail": "text"},
}

ONE_ORDER = (
    # "There is one order shape, the union of their fields, null where unknown."
    "POST /v1/priv/exchange/order/{id}",
    "GET /v1/priv/exchange/order/{id}/list",
    "GET /v1/priv/exchange/order/{id}/history",
)

BY_ASSET = "GET /v1/priv/account/exchange/key/{id}/balance"
"""The field names are data: the assets that the key has."""

ALSO = {
    # "String/null" in the tables of fields.
    "lastName": "null",
    "firstName": "null",
    "country": "null",
    "language": "null",
    "timezone": "null",
    "description": "text",
    # There may be another page.
    "nextToken": "text",
    # A time range without results, as in the rows of a history.
    "netProfitPercent": "null",
    "winRate": "null",
    "maxDrawDown": "null",
    # "Null where unknown": only trailing orders have these two.
    "trailingTriggerPrice": "null",
    "callbackRate": "number",
}
"""Kinds of value that a field may have besides those of the examples, by the name of the field."""
