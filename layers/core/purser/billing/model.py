"""Plans and subscriptions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscription gives. Limits are inclusive; prices and balances are in USD."""

    id: str
    name: str
    monthly_price_usd: int
    max_balance_usd: Decimal
    max_api_key: int
    strategy_automated: bool
    public: bool


class PaymentType(StrEnum):
    """How a subscription is paid: by Stripe, or granted by an admin."""

    STRIPE = "STRIPE"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a user has. ``created_at`` and ``updated_at`` are Unix milliseconds."""

    user_id: str
    plan: Plan
    payment_type: PaymentType
    created_at: int
    updated_at: int


CATALOG: tuple[Plan, ...] = (
    Plan("336e0577-784d-4482-8a37-46649118aa51", "BASIC", 20, Decimal(2500), 2, True, True),
    Plan("eedb6709-40be-4425-bc8c-3f27b0f16606", "ADVANCED", 40, Decimal(5000), 3, True, True),
    Plan("d6e3155b-caed-449c-b95b-857f1b765040", "PROFESSIONAL", 60, Decimal(10000), 5, True, True),
    Plan("0b5e2f8c-61cf-4c3e-9d5a-2f3f8c1f7f10", "PARTNER", 0, Decimal(100000), 20, True, False),
)
"""Every plan, cheapest first. Private ones can be granted, not bought."""


def plan_by_id(plan_id: str) -> Plan | None:
    """The plan of an id, public or private, or None."""
    return next((plan for plan in CATALOG if plan.id == plan_id), None)


def public_plans() -> tuple[Plan, ...]:
    """The plans that are for sale."""
    return tuple(plan for plan in CATALOG if plan.public)
