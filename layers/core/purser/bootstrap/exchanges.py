"""The gateway to the exchange and its order desk, and the request weight that all functions share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.clock import now_ms
from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.tables import Table
    from purser.exchanges.budget import WeightBudget
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.ccxt_orders import CcxtOrderDesk

BUDGET_PATIENCE_S = 0.4
"""The time that the budget waits for its table, to connect and again for the answer. A closing waits with it."""


def budget_table() -> Table:
    """Return the table of the budget, which answers at once or is left alone for a while."""
    from purser.aws.tables import Table

    return Table(settings().require("venues_table"), tries=1, patience_s=BUDGET_PATIENCE_S)


@kept
def weight_budget() -> WeightBudget:
    """The request weight of the address that all functions with credentials call from."""
    from purser.exchanges.budget import WeightBudget
    from purser.exchanges.ccxt_gateway import VENUE_WEIGHT_PER_MINUTE
    from purser.exchanges.oddities import report
    from purser.exchanges.store import DynamoBudgetStore

    store = DynamoBudgetStore(budget_table())
    limits = {market.value: weight for market, weight in VENUE_WEIGHT_PER_MINUTE.items()}
    return WeightBudget(store, limits, now_ms, report)


@kept
def exchange_gateway() -> CcxtGateway:
    """The gateway to the exchange."""
    from purser.exchanges.ccxt_gateway import CcxtGateway

    return CcxtGateway(budget=weight_budget(), endpoint=settings().exchange_endpoint)


@kept
def public_gateway() -> CcxtGateway:
    """The gateway for requests of strangers, which do not spend the weight of users.

    Its function is outside of the VPC (template.yaml), where processes have various addresses.
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

    return CcxtOrderDesk(budget=weight_budget(), endpoint=settings().exchange_endpoint, timeout=ORDER_PATIENCE_S)
