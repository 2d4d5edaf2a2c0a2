"""The result of a trade, from the fills of its account.

The fills of the entry open the trade. Later fills on the other side close it in the order of time, whoever has sent
their orders, until nothing of it is left. A fill that closes more than what is left belongs to the trade in part. What
the user has added by hand is closed after the trade (FIFO).

    s         +1 long, -1 short
    profit    s · (value sold or bought back - value of the entry), before fees
    fees      commissions in the quote asset, and others at their price when the books are closed
    funding   sum of -s · amount held · mark price · rate, over the times of funding; negative if it was paid
    net       profit - fees + funding
    R         net / (risk · amount filled / amount ordered)
    slippage  s · (entry price - signal's price) / signal's price, in percent; positive if it was worse

All of it is exact and rounded once: money and prices to 8 decimals, so that profit, fees and funding add up to the net
as they are shown; R and slippage to 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from purser.exchanges.orders import Funding, Order, Trade
from purser.orders.intents import Intent
from purser.orders.model import CLIENT_ID_PREFIX, Role, client_id

HOUR_MS = 3_600_000
MONEY_DECIMALS = 8
RATIO_DECIMALS = 4

CLOSED_BY_VENUE = "autoclose"
"""In the client order ids of liquidations, deleveraging and settlements.

Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams/Event-Order-Update.
"""

MOST_CLOSINGS = 50
"""The number of orders of one undoing that are recognized."""


class EndReason(StrEnum):
    """What has closed the last part of a trade."""

    STOP = "STOP"
    TAKE_PROFIT = "TAKE_PROFIT"
    LIQUIDATION = "LIQUIDATION"
    """The venue itself: a liquidation, or in rare cases its deleveraging or a settlement."""
    SIGNAL = "SIGNAL"
    """A signal of the strategy."""
    BY_HAND = "BY_HAND"
    """The user, at the venue, through Purser, or by stopping a follow that closes its trade then."""
    UNDONE = "UNDONE"
    """Purser, because the trade could not have its stop."""


@dataclass(frozen=True, slots=True)
class OtherFee:
    """Commissions in another asset than the quote. ``price`` is None if the venue has no market for it.

    Then they are not in the fees.
    """

    asset: str
    amount: Decimal
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class TradeResult:
    """The result of a trade. It never changes. Money is in the quote asset, times are Unix milliseconds."""

    id: str
    user_id: str
    trading_account_id: str
    follow_id: str
    signal_id: str
    symbol: str
    side: str
    reason: EndReason
    amount: Decimal
    entry_price: Decimal
    exit_price: Decimal
    opened_at: int
    closed_at: int
    profit: Decimal
    fees: Decimal
    funding: Decimal
    other_fees: tuple[OtherFee, ...] = ()
    risk_multiple: Decimal | None = None
    slippage_percent: Decimal | None = None

    @property
    def net(self) -> Decimal:
        """What the trade has brought after fees and funding."""
        return self.profit - self.fees + self.funding


@dataclass(frozen=True, slots=True)
class Part:
    """What a fill has opened or closed of a trade. ``amount`` may be less than the fill's."""

    fill: Trade
    amount: Fraction
    opens: bool

    @property
    def cost(self) -> Fraction:
        """The value of the part."""
        return Fraction(self.fill.cost) * self._share

    @property
    def fee(self) -> Fraction:
        """The commission of the part, in its own asset."""
        return Fraction(self.fill.fee.cost) * self._share

    @property
    def _share(self) -> Fraction:
        return self.amount / Fraction(self.fill.amount)


class Course:
    """The course of a trade, from its entry and the fills of the account since then, oldest first."""

    def __init__(self, entry: Order, fills: Sequence[Trade]) -> None:
        self._entry = entry
        self.parts: list[Part] = []
        self._open = Fraction(0)
        for fill in fills:
            self._add(fill)

    def _add(self, fill: Trade) -> None:
        if fill.order_id in (self._entry.id, self._entry.became):
            self.parts.append(Part(fill, Fraction(fill.amount), opens=True))
            self._open += Fraction(fill.amount)
        elif fill.side != self._entry.side and self._open:
            amount = min(self._open, Fraction(fill.amount))
            self.parts.append(Part(fill, amount, opens=False))
            self._open -= amount

    @property
    def is_over(self) -> bool:
        """Return whether the fills show all that the entry filled, and that as much was closed."""
        return bool(self.parts) and not self._open and self.amount >= Fraction(self._entry.filled)

    @property
    def amount(self) -> Fraction:
        """The amount that the entry has filled."""
        return sum((part.amount for part in self.parts if part.opens), Fraction(0))

    @property
    def sign(self) -> int:
        """1 for a long trade, -1 for a short one."""
        return 1 if self._entry.side == "buy" else -1

    @property
    def opened_at(self) -> int:
        """The time of the first fill."""
        return self.parts[0].fill.timestamp

    @property
    def closed_at(self) -> int:
        """The time of the last fill."""
        return self.parts[-1].fill.timestamp

    @property
    def last_order_id(self) -> str:
        """The id of the order that has closed the last part."""
        return self.parts[-1].fill.order_id

    @property
    def hours(self) -> tuple[int, int] | None:
        """The full hours before its start and its end, or None if they are the same. Fundings happen on full hours.

        Source: https://www.binance.com/en/support/faq/introduction-to-binance-futures-funding-rates-360033525031.
        """
        first, last = (time // HOUR_MS * HOUR_MS for time in (self.opened_at, self.closed_at))
        return (first, last) if first < last else None

    def cost(self, *, opening: bool) -> Fraction:
        """Return the value of the entry, or of all that closed it."""
        return sum((part.cost for part in self.parts if part.opens is opening), Fraction(0))

    @property
    def fees(self) -> Mapping[str, Fraction]:
        """The commissions by asset, without assets in which none was charged."""
        fees: dict[str, Fraction] = {}
        for part in self.parts:
            asset = part.fill.fee.currency
            fees[asset] = fees.get(asset, Fraction(0)) + part.fee
        return {asset: fee for asset, fee in fees.items() if fee}

    def funding(self, fundings: Sequence[Funding]) -> Fraction:
        """Return what fundings have brought, negative if they have cost."""
        total = Fraction(0)
        for each in fundings:
            total -= self.sign * self._open_at(each.time) * Fraction(each.mark_price) * Fraction(each.rate)
        return total

    def _open_at(self, time: int) -> Fraction:
        before = (part for part in self.parts if part.fill.timestamp < time)
        return sum((part.amount if part.opens else -part.amount for part in before), Fraction(0))


def known_reason(intent: Intent, order_id: str) -> EndReason | None:
    """Return why a trade has ended, if an exit of its intent is known to have become the order that closed it."""
    for leg in intent.exits:
        order = intent.reported(leg)
        if order is not None and order_id == (order.became or (order.id if order.type == "limit" else None)):
            return _REASONS[leg.role]
    return None


def reason_of(intent: Intent, closing: Order) -> EndReason:
    """Return why a trade has ended, by the order that closed its last part."""
    name = closing.client_id
    for leg in intent.exits:
        if leg.order.client_id == name:
            return _REASONS[leg.role]
    if CLOSED_BY_VENUE in name:
        return EndReason.LIQUIDATION
    if name.startswith(CLIENT_ID_PREFIX) and intent.closed_by_signal is not None:
        return EndReason.SIGNAL
    own = (client_id(intent.id, intent.generation, f"closing-{number}") for number in range(MOST_CLOSINGS))
    return EndReason.UNDONE if name in own and not intent.is_closing else EndReason.BY_HAND


_REASONS = {Role.STOP: EndReason.STOP, Role.TAKE_PROFIT: EndReason.TAKE_PROFIT}


def result_of(
    intent: Intent,
    course: Course,
    reason: EndReason,
    fundings: Sequence[Funding],
    prices: Mapping[str, Decimal | None],
) -> TradeResult:
    """Return the result of a strategy's trade that is over. ``prices`` are those of the assets of its other fees."""
    strategy, order = intent.strategy, intent.order
    if strategy is None or order is None or strategy.follow_id is None or intent.signal_id is None:
        raise ValueError("not the trade of a follow")
    sign, amount = course.sign, course.amount
    opened, closed = course.cost(opening=True), course.cost(opening=False)
    profit = _rounded(sign * (closed - opened))
    fees = _rounded(_fees_in_quote(course.fees, _quote(intent), prices))
    funding = _rounded(course.funding(fundings))
    risk = Fraction(strategy.risk or 0) * amount / Fraction(order.amount)
    signal_price = Fraction(strategy.signal_price or 0)
    return TradeResult(
        id=intent.id,
        user_id=intent.user_id,
        trading_account_id=intent.trading_account_id,
        follow_id=strategy.follow_id,
        signal_id=intent.signal_id,
        symbol=intent.symbol,
        side=strategy.trade_side,
        reason=reason,
        amount=_rounded(amount),
        entry_price=_rounded(opened / amount),
        exit_price=_rounded(closed / amount),
        opened_at=course.opened_at,
        closed_at=course.closed_at,
        profit=profit,
        fees=fees,
        funding=funding,
        other_fees=tuple(OtherFee(asset, _rounded(course.fees[asset]), price) for asset, price in prices.items()),
        risk_multiple=_ratio(Fraction(profit - fees + funding), risk),
        slippage_percent=_ratio(100 * sign * (opened / amount - signal_price), signal_price),
    )


def other_assets(intent: Intent, course: Course) -> list[str]:
    """Return the assets other than the quote in which a trade was charged fees."""
    return sorted(asset for asset in course.fees if asset != _quote(intent))


def _quote(intent: Intent) -> str:
    return intent.symbol.partition("/")[2]


def _fees_in_quote(fees: Mapping[str, Fraction], quote: str, prices: Mapping[str, Decimal | None]) -> Fraction:
    others = (fees[asset] * Fraction(price) for asset, price in prices.items() if price is not None)
    return fees.get(quote, Fraction(0)) + sum(others, Fraction(0))


def _rounded(amount: Fraction, decimals: int = MONEY_DECIMALS) -> Decimal:
    return Decimal(f"{round(amount * 10**decimals)}E-{decimals}")


def _ratio(part: Fraction, whole: Fraction) -> Decimal | None:
    return _rounded(part / whole, RATIO_DECIMALS) if whole else None
