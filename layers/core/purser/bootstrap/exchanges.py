"""The gateway to the exchange and its order desk, the egress lanes, and the request weight that all functions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.tables import Table
    from purser.exchanges.budget import Purpose, WeightBudget
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.ccxt_orders import CcxtOrderDesk
    from purser.exchanges.model import TradeType
    from purser.lanes import Lane

BUDGET_PATIENCE_S = 0.4
"""The time that the budget waits for its table, to connect and again for the answer. A closing waits with it."""


def budget_table() -> Table:
    """Return the table of the budget, which answers at once or is left alone for a while."""
    from purser.aws.tables import Table

    return Table(settings().require("venues_table"), tries=1, patience_s=BUDGET_PATIENCE_S)


@kept
def egress_lanes() -> tuple[Lane, ...]:
    """The lanes that functions with credentials call through."""
    from purser.lanes import lanes_in_use

    return lanes_in_use(settings().egress_lanes)


def lane_name(trading_account_id: str) -> str:
    """Return the name of a trading account's lane."""
    from purser.lanes import lane_of

    return lane_of(egress_lanes(), trading_account_id).name


@kept
def weight_budgets() -> dict[Lane, WeightBudget]:
    """The request weight of each lane."""
    from purser.exchanges.budget import WeightBudget
    from purser.exchanges.ccxt_gateway import weight_limits
    from purser.exchanges.oddities import report
    from purser.exchanges.store import DynamoBudgetStore

    table = budget_table()

    def budget(lane: Lane) -> WeightBudget:
        def report_lane(metric: str, market: str) -> None:
            report(metric, f"{market} in lane {lane.name}")

        limits = {market.value: weight for market, weight in weight_limits(lane).items()}
        return WeightBudget(DynamoBudgetStore(table, address=lane.name), limits, now_ms, report_lane)

    return {lane: budget(lane) for lane in egress_lanes()}


def has_weight_left(trading_account_id: str, market: TradeType, purpose: Purpose) -> bool:
    """Return whether the lane of a trading account has weight left for a purpose now."""
    from purser.lanes import lane_of

    return weight_budgets()[lane_of(egress_lanes(), trading_account_id)].is_open(market, purpose)


@kept
def exchange_gateway() -> CcxtGateway:
    """The gateway to the exchange."""
    from purser.exchanges.ccxt_gateway import CcxtGateway

    return CcxtGateway(budget=weight_budgets(), endpoint=settings().exchange_endpoint)


@kept
def public_gateway() -> CcxtGateway:
    """The gateway for requests of strangers, which do not spend the weight of users.

    It has a lane of its own: its function is outside of the VPC (template.yaml), where processes have various
    addresses.
    """
    from purser.exchanges.budget import WeightBudget
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.oddities import report

    return CcxtGateway(budget=WeightBudget(None, {}, now_ms, report), endpoint=settings().exchange_endpoint)


ORDER_PATIENCE_S = 4.0
"""The time that each call waits for the exchange, in seconds. One request of ours makes several."""


@kept
def order_desk() -> CcxtOrderDesk:
    """The order desk of the exchange."""
    from purser.exchanges.ccxt_orders import CcxtOrderDesk

    return CcxtOrderDesk(budget=weight_budgets(), endpoint=settings().exchange_endpoint, timeout=ORDER_PATIENCE_S)
