"""Binance's wire: its errors, its parameters and its numbers.

Codes and texts are those of Binance's published error lists for spot and USDⓈ-M futures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

ZERO = Decimal(0)
CENT_MICRO = Decimal("0.00000001")
NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")

MESSAGES: dict[int, str] = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too many requests; please use the websocket for live updates to avoid polling the API.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
    -1014: "Unsupported order combination.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1128: "Combination of optional parameters invalid.",
    -2008: "Invalid Api-Key ID.",
    -2010: "Account has insufficient balance for requested action.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2007: "Invalid callBack rate.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4001: "Price less than 0.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than or equal to zero.",
    -4005: "Quantity greater than max quantity.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid.",
    -4023: "Qty not increased by step size.",
    -4028: "Leverage is not valid.",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4059: "No need to change position side.",
    -4061: "Order's position side does not match user's setting.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4084: "Method is not allowed currently. Upcoming soon.",
    -4116: "ClientOrderId is duplicated.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4130: "An open stop or take profit order with GTE and closePosition in the direction is existing.",
    -4135: "Invalid activation price.",
    -4136: "Target strategy invalid for orderType TRAILING_STOP_MARKET,closePosition true",
    -4137: "Quantity must be zero with closePosition equals true.",
    -4140: "Invalid symbol status for opening position",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4509: "Time in Force (TIF) GTE can only be used with open positions. Please ensure that positions are available.",
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected.",
}
UNAUTHORIZED = {-2008, -2014, -2015}


class WireError(Exception):
    """An error of the exchange: the HTTP status and `{"code", "msg"}`, without a code if it has none."""

    def __init__(
        self,
        code: int | None,
        message: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
    ):
        self.code = code
        self.message = message or MESSAGES.get(code or 0, "The request was rejected.")
        self.status = status or (401 if code in UNAUTHORIZED else 400)
        self.retry_after = retry_after
        super().__init__(f"{code} {self.message}")

    def body(self) -> dict[str, Any]:
        """The body on the wire."""
        return ({"code": self.code} if self.code else {}) | {"msg": self.message}


def money(value: Decimal, places: int = 8) -> str:
    """Format a decimal with a fixed number of decimals and without an exponent."""
    return f"{value:.{places}f}"


def plain(value: Decimal) -> str:
    """Format a decimal without trailing zeros, as the futures wire writes a zero or a setting."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def floor8(value: Decimal) -> Decimal:
    """Round down to eight decimals, as the exchange's books do."""
    return value.quantize(CENT_MICRO, rounding=ROUND_DOWN)


class Params:
    """The parameters of one request, read by name, with Binance's own errors."""

    def __init__(self, values: Mapping[str, str]):
        self.values = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str | None = None) -> str:
        """Return a parameter as text. Raises -1102 if it is missing and has no default, -1105 if it is empty."""
        value = self.values.get(name, default)
        if value is None:
            raise WireError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        if value == "" and default is None:
            raise WireError(-1105, f"Parameter '{name}' was empty.")
        return value

    def decimal(self, name: str, default: Decimal | None = None) -> Decimal:
        """Return an unsigned decimal without an exponent. Raises -1100 for anything else."""
        if name not in self.values and default is not None:
            return default
        value = self.text(name)
        if not NUMBER.fullmatch(value):
            legal = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
            raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        return Decimal(value)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number. Raises -1100 for anything else."""
        if name not in self.values and default is not None:
            return default
        value = self.text(name)
        if not value.isascii() or not value.isdigit() or len(value) > 20:
            raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
        return int(value)

    def flag(self, name: str) -> bool:
        """Return true for `true` in any case, and false if absent. Raises -1106 for anything that is not a boolean."""
        value = self.values.get(name, "false").lower()
        if value not in ("true", "false"):
            raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is 'true|false'.")
        return value == "true"

    def names(self, name: str) -> list[str]:
        """Return the strings of a JSON array, as in `symbols=["BTCUSDT","ETHUSDT"]`. Raises -1100 for anything else."""
        try:
            value = json.loads(self.text(name))
        except ValueError:
            value = None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise WireError(-1100, f"Illegal characters found in parameter '{name}'; legal range is a JSON array.")
        return value


def told(row: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a row with changed fields. Those whose change is None are missing."""
    return {name: value for name, value in {**row, **changes}.items() if value is not None or name not in changes}
