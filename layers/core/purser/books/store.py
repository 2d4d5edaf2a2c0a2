"""Results of trades in the Orders table.

    PK                  SK                    what
    FOLLOW#<follow id>  RESULT#<signal id>    the result of the trade that a signal has opened for a follow

They never change and never expire.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal

from purser.aws.tables import ConditionFailed, Item, Table
from purser.books.model import EndReason, OtherFee, TradeResult

NEW = "attribute_not_exists(PK)"


def _key(follow_id: str, signal_id: str) -> tuple[str, str]:
    return f"FOLLOW#{follow_id}", f"RESULT#{signal_id}"


def _item(result: TradeResult) -> Item:
    pk, sk = _key(result.follow_id, result.signal_id)
    return {
        "PK": pk,
        "SK": sk,
        "executionId": result.id,
        "userId": result.user_id,
        "tradingAccountId": result.trading_account_id,
        "symbol": result.symbol,
        "side": result.side,
        "reason": result.reason.value,
        "amount": result.amount,
        "entryPrice": result.entry_price,
        "exitPrice": result.exit_price,
        "openedAt": result.opened_at,
        "closedAt": result.closed_at,
        "profit": result.profit,
        "fees": result.fees,
        "funding": result.funding,
        "otherFees": [
            {"asset": fee.asset, "amount": fee.amount} | ({} if fee.price is None else {"price": fee.price})
            for fee in result.other_fees
        ],
        "riskMultiple": result.risk_multiple,
        "slippagePercent": result.slippage_percent,
    }


def _result_of(item: Item) -> TradeResult:
    return TradeResult(
        id=item["executionId"],
        user_id=item["userId"],
        trading_account_id=item["tradingAccountId"],
        follow_id=item["PK"].removeprefix("FOLLOW#"),
        signal_id=item["SK"].removeprefix("RESULT#"),
        symbol=item["symbol"],
        side=item["side"],
        reason=EndReason(item["reason"]),
        amount=Decimal(item["amount"]),
        entry_price=Decimal(item["entryPrice"]),
        exit_price=Decimal(item["exitPrice"]),
        opened_at=int(item["openedAt"]),
        closed_at=int(item["closedAt"]),
        profit=Decimal(item["profit"]),
        fees=Decimal(item["fees"]),
        funding=Decimal(item["funding"]),
        other_fees=tuple(OtherFee(fee["asset"], fee["amount"], fee.get("price")) for fee in item["otherFees"]),
        risk_multiple=item.get("riskMultiple"),
        slippage_percent=item.get("slippagePercent"),
    )


class DynamoResultStore:
    """The result store on DynamoDB."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def has(self, follow_id: str, signal_id: str) -> bool:
        return self._table.get(*_key(follow_id, signal_id)) is not None

    def add(self, result: TradeResult) -> None:
        with suppress(ConditionFailed):
            self._table.put(_item(result), condition=NEW)

    def between(self, follow_id: str, first_signal_id: str, last_signal_id: str) -> Mapping[str, TradeResult]:
        pk, first = _key(follow_id, first_signal_id)
        _, last = _key(follow_id, last_signal_id)
        values = {":pk": pk, ":first": first, ":last": last}
        items = self._table.query("PK = :pk AND SK BETWEEN :first AND :last", values)
        return {result.signal_id: result for result in map(_result_of, items)}
