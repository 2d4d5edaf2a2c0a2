"""The validated environment variables of a function."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from purser.process import kept

CommaList = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda v: tuple(p.strip() for p in v.split(",") if p.strip()) if isinstance(v, str) else v),
]


def prices_of(text: str) -> dict[str, tuple[str, ...]]:
    """Read ``NAME=price,NAME=price:older price``. Raises ``ValueError`` if a name or a price occurs twice."""
    prices: dict[str, tuple[str, ...]] = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, equals, ids = pair.partition("=")
        if not (name and equals and all(ids.split(":"))):
            raise ValueError(f"{pair} is not NAME=price")
        if name in prices:
            raise ValueError(f"{name} is named twice; write {name}=price:older price")
        prices[name] = tuple(ids.split(":"))
    counts = Counter(price for each in prices.values() for price in each)
    if twice := [price for price, count in counts.items() if count > 1]:
        raise ValueError(f"{', '.join(twice)} is named twice")
    return prices


PricesByPlan = Annotated[
    dict[str, tuple[str, ...]], BeforeValidator(lambda v: prices_of(v) if isinstance(v, str) else v)
]


def _read_lanes(value: Any) -> Any:
    from purser.lanes import lanes_of  # Most functions need none.

    return lanes_of(value) if isinstance(value, str) else value


EgressLanes = Annotated[tuple[Any, ...], BeforeValidator(_read_lanes)]
"""Those of ``purser.lanes``."""


class MissingSetting(RuntimeError):
    """A variable that this function needs is missing or invalid. The text names it."""


class Settings(BaseModel):
    """The environment of a function, which gets only the variables that it uses. ``require`` checks for one of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage: str = "dev"
    accounts_table: str = ""
    keys_table: str = ""
    snapshots_table: str = ""
    strategies_table: str = ""
    idempotency_table: str = ""
    wallets_table: str = ""
    orders_table: str = ""
    venues_table: str = ""
    audit_table: str = ""
    keys_per_user: int = Field(default=50, ge=1)
    credentials_per_user: int = Field(default=50, ge=1)
    wallets_per_user: int = Field(default=100, ge=1)
    accounts_per_user: int = Field(default=10_000, ge=1)
    credential_key_id: str = ""
    snapshot_queue_url: str = ""
    cancellation_queue_url: str = ""
    signal_event_queue_url: str = ""
    signal_signing_key: str = ""
    event_bus_name: str = ""
    order_reconciler_queue_url: str = ""
    backfill_queue_url: str = ""
    signal_queue_url: str = ""
    signal_max_receives: int = Field(default=5, gt=0)
    execution_queue_url: str = ""
    execution_max_receives: int = Field(default=5, gt=0)
    booking_queue_url: str = ""
    booking_max_receives: int = Field(default=5, gt=0)
    user_pool_id: str = ""
    page_token_key: str = ""
    user_pool_client_id: str = ""
    admin_mfa: str = Field(default="required", pattern="^(required|optional)$")
    allowed_origins: CommaList = ("*",)
    egress_lanes: EgressLanes = ()
    exchange_endpoint: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    usdc_usd: Decimal = Field(default=Decimal(1), gt=0)
    snapshot_weight_per_minute_spot: int = Field(default=1500, gt=0)
    snapshot_weight_per_minute_futures: int = Field(default=600, gt=0)
    snapshot_max_receives: int = Field(default=5, gt=0)
    backfill_weight_per_minute: int = Field(default=2400, ge=2400, le=100_000_000)
    backfill_max_receives: int = Field(default=5, gt=0)
    powertools_metrics_namespace: str = "Purser"
    telegram_bot_url: str = ""
    telegram_secret_id: str = ""
    stripe_secret_id: str = ""
    stripe_endpoint: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")
    stripe_prices: PricesByPlan = Field(default_factory=dict)
    checkout_success_url: str = ""
    checkout_cancel_url: str = ""
    billing_grace_days: int = Field(default=7, ge=0)
    billing_queue_url: str = ""
    recaptcha_secret_id: str = ""
    recaptcha_verify_url: str = "https://www.google.com/recaptcha/api/siteverify"

    def require(self, name: str) -> str:
        """Return a text setting. Raises ``MissingSetting`` if it is empty."""
        value: str = getattr(self, name)
        if not value:
            raise MissingSetting(f"environment variable {name.upper()} is missing")
        return value


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment. Raises ``MissingSetting`` if a variable is invalid."""
    values: dict[str, Any] = {
        name: environment[name.upper()] for name in Settings.model_fields if environment.get(name.upper())
    }
    try:
        return Settings(**values)
    except ValidationError as error:
        names = ", ".join(str(e["loc"][0]).upper() for e in error.errors())
        # The texts of our own rules repeat no secret.
        reasons = "".join(f": {e['ctx']['error']}" for e in error.errors() if e["type"] == "value_error")
        raise MissingSetting(f"environment variable {names} is invalid{reasons}") from None


@kept
def settings() -> Settings:
    """Return the settings of this process. Raises ``MissingSetting`` if a variable is invalid."""
    return read(os.environ)
