"""Test the check of Stripe prices before a deployment, with the Stripe double."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.doubles.stripe import Served, StripeDouble
from purser.plans.model import CATALOG
from scripts.check_stripe_prices import faults, main

ROOT = Path(__file__).resolve().parents[2]
RIGHT = "BASIC=price_purser_basic,ADVANCED=price_purser_advanced,PROFESSIONAL=price_purser_professional"
REFUSED = "Stripe could not be asked: AuthenticationError: status 401"


@pytest.fixture(scope="module")
def stripe() -> Iterator[Served]:
    with StripeDouble() as double, double.serve() as served:
        yield served


def result(given: str, key: str, url: str, patch: pytest.MonkeyPatch) -> Any:
    """Return what the check exits with: 0, 1 for differences, or the text of a failure."""
    patch.setattr(sys, "argv", ["check_stripe_prices.py", given])
    patch.setenv("STRIPE_API_KEY", key)
    patch.setenv("STRIPE_ENDPOINT", url)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_the_command_exits_with_the_result_of_the_check(stripe: Served) -> None:
    command = [sys.executable, str(ROOT / "scripts/check_stripe_prices.py"), RIGHT]
    for key, expected in ((stripe.keys.api_key, 0), ("sk_test_of_nobody", 1)):
        environment = os.environ | {"STRIPE_API_KEY": key, "STRIPE_ENDPOINT": stripe.url}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == expected, done.stderr
        assert ("every plan for sale has its price" in done.stdout, REFUSED in done.stderr) == (not expected, expected)
        assert key not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (RIGHT, None),
        (
            RIGHT.replace("price_purser_basic", "price_purser_basic:price_gone"),
            "BASIC: Stripe knows no price price_gone",
        ),
        (RIGHT.replace("price_purser_basic", "price_gone"), "BASIC: Stripe knows no price price_gone"),
        ("BASIC=price_purser_professional,ADVANCED=price_purser_advanced", "is 6000 cents, not 2000"),
        (RIGHT.split(",", 1)[1], "BASIC is for sale and has no price"),
        (RIGHT + ",PARTNER=price_purser_partner", "PARTNER is no plan that is for sale"),
    ],
)
def test_the_check_names_a_difference(
    stripe: Served,
    given: str,
    message: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert result(given, stripe.keys.api_key, stripe.url, monkeypatch) == (1 if message else 0)
    assert (message or "every plan for sale has its price") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "given", "message"),
    [
        ("sk_test_of_nobody", RIGHT, REFUSED),
        (None, "BASIC", "STRIPE_API_KEY=sk_"),
        (None, "", "STRIPE_API_KEY=sk_"),
        (None, RIGHT + ",BASIC=price_old", "BASIC is named twice; write BASIC=price:older price"),
        (None, RIGHT.replace("price_purser_basic", "price_purser_advanced"), "price_purser_advanced is named twice"),
    ],
)
def test_a_failed_check_does_not_print_the_api_key(
    stripe: Served,
    key: str | None,
    given: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key = key or stripe.keys.api_key
    told = result(given, key, stripe.url, monkeypatch)
    assert message in told
    assert key not in told
    printed = capsys.readouterr()
    assert printed.out == ""
    assert key not in printed.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"active": False}, "is not active"),
        ({"currency": "eur"}, "is in eur, not usd"),
        ({"unit_amount": None}, "is None cents, not 2000"),
        ({"recurring": None}, "is not paid every month"),
        ({"recurring": {"interval": "year", "interval_count": 1, "usage_type": "licensed"}}, "is not paid every month"),
        ({"recurring": {"interval": "month", "interval_count": 1, "usage_type": "metered"}}, "is paid by use"),
    ],
)
def test_the_check_detects_every_fault_of_a_price(change: dict[str, Any], message: str) -> None:
    monthly = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    price = {"id": "price_1", "active": True, "currency": "usd", "unit_amount": 2000, "recurring": monthly}
    assert list(faults(CATALOG[0], price)) == []
    assert list(faults(CATALOG[0], price | change)) == [message]
