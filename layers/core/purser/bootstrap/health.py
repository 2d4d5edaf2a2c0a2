"""Health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from purser.process import kept
from purser.settings import settings

if TYPE_CHECKING:
    from purser.health.service import HealthChecks


@kept
def health_checks() -> HealthChecks:
    """The checks of everything that Purser depends on."""
    from aws_lambda_powertools import Logger

    from purser.aws import health
    from purser.exchanges.ping import ping
    from purser.health.service import HealthChecks

    given, logger = settings(), Logger()
    tables = [given.require(f"{name}_table") for name in ("accounts", "keys", "snapshots", "idempotency")]
    workers = ("snapshot", "cancellation", "backfill", "billing", "signal", "execution")
    queues = [given.require(f"{name}_queue_url") for name in workers]
    return HealthChecks(
        {
            "database": health.tables_check(tables),
            "identity": health.user_pool_check(given.require("user_pool_id")),
            "keyManagement": health.key_check(given.require("credential_key_id")),
            "queues": health.queues_check(queues),
            "exchange": lambda: ping(given.exchange_endpoint),
        },
        vital={"database", "identity", "keyManagement"},
        report=lambda name, trouble: logger.warning("a dependency is down", dependency=name, trouble=repr(trouble)),
    )
