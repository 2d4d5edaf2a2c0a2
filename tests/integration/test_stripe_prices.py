"""The check of prices before a deployment, against the double."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.stripe import StripeDouble

ROOT = Path(__file__).resolve().parents[2]
RIGHT = "BASIC=price_purser_basic,ADVANCED=price_purser_advanced,PROFESSIONAL=price_purser_professional"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (RIGHT, None),
        (RIGHT.replace("price_purser_basic", "price_gone"), "BASIC: Stripe knows no price price_gone"),
        (RIGHT.replace("price_purser_basic", "price_purser_advanced"), "is 4000 cents, not 2000"),
        (RIGHT.split(",", 1)[1], "BASIC is for sale and has no price"),
        (RIGHT + ",PARTNER=price_purser_basic", "PARTNER is no plan that is for sale"),
    ],
)
def test_what_differs_is_named(given: str, said: str | None) -> None:
    with StripeDouble() as double, double.serve() as served:
        environment = os.environ | {"STRIPE_API_KEY": served.keys.api_key, "STRIPE_ENDPOINT": served.url}
        command = [sys.executable, ROOT / "scripts/check_stripe_prices.py", given]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (1 if said else 0), done.stderr
    assert (said or "every plan for sale has its price") in done.stdout
