"""Test AccountSubscription with its handler and DynamoDB Local."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from purser.bootstrap.billing import subscriptions
from purser.plans.model import CATALOG
from tests.support.aws import Aws
from tests.support.events import call, claims
from tests.support.functions import forget_process, load_function

PATH = "/v1/priv/account/subscription"


@pytest.fixture(scope="module")
def handler(aws: Aws) -> Iterator[Any]:
    forget_process()
    yield load_function("account_subscription").handler
    forget_process()


def test_without_a_subscription_the_answer_is_null(handler: Any) -> None:
    answer = call(handler, "GET", PATH, caller=claims(str(uuid4())))
    assert (answer.status, answer.text) == (200, "null")
    assert call(handler, "GET", PATH).status == 401


@pytest.mark.parametrize("plan", CATALOG, ids=lambda plan: plan.name)
def test_a_granted_plan_is_shown_as_documented(handler: Any, plan: Any) -> None:
    user_id = str(uuid4())
    subscriptions().grant(user_id, plan.id)
    assert call(handler, "GET", PATH, caller=claims(user_id)).body == {
        "paymentType": "ADMIN",
        "SubscriptionType": {
            "id": plan.id,
            "name": plan.name,
            "maxBalanceUSD": int(plan.max_balance_usd),
            "maxApiKey": plan.max_api_key,
            "strategyAutomated": plan.strategy_automated,
        },
    }
