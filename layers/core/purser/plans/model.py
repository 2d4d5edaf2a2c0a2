"""The catalog of plans."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits and features of a subscription. Limits are inclusive; prices and balances are in USD."""

    id: str
    name: str
    monthly_price_usd: int
    max_balance_usd: Decimal
    max_api_key: int
    strategy_automated: bool
    public: bool

    def allows_less_than(self, other: Plan) -> bool:
        """Return whether one of the limits is lower than another plan's."""
        return self.max_api_key < other.max_api_key or self.max_balance_usd < other.max_balance_usd

    @property
    def size(self) -> tuple[Decimal, int]:
        """The key that sorts plans by balance, then by number of API keys."""
        return self.max_balance_usd, self.max_api_key


CATALOG: tuple[Plan, ...] = (
    Plan("336e0577-784d-4482-8a37-46649118aa51", "BASIC", 20, Decimal(2500), 2, True, True),
    Plan("eedb6709-40be-4425-bc8c-3f27b0f16606", "ADVANCED", 40, Decimal(5000), 3, True, True),
    Plan("d6e3155b-caed-449c-b95b-857f1b765040", "PROFESSIONAL", 60, Decimal(10000), 5, True, True),
    Plan("0b5e2f8c-61cf-4c3e-9d5a-2f3f8c1f7f10", "PARTNER", 0, Decimal(100000), 20, True, False),
)
"""Every plan, cheapest first. Private ones can be granted, not bought."""


def plan_by_id(plan_id: str) -> Plan | None:
    """Return the plan with an id, public or private, or None."""
    return next((plan for plan in CATALOG if plan.id == plan_id), None)


def public_plans() -> tuple[Plan, ...]:
    """Return the plans that are for sale."""
    return tuple(plan for plan in CATALOG if plan.public)


class Plans(Protocol):
    """The plans of users."""

    def plan_of(self, user_id: str) -> Plan | None:
        """Return the user's plan, or None."""
