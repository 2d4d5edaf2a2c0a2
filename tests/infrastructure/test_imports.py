"""Test that the contracts of import-linter hold for new modules, wherever they are put."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("probe", "orders.probe", "trading_accounts.probe", "brand_new.service")
FORBIDDEN = {
    "purser.orders.store": "Only the composition root knows a store",
    "purser.keys_table": "Only the composition root knows a store",
    "purser.users.cognito": "Only the composition root knows a store",
    "purser.exchanges.ccxt_gateway": "Only the composition root knows a gateway to a vendor",
    "purser.settings": "Only the edges read settings",
    "purser.bootstrap.orders": "Only functions, and what dresses them, ask the composition root",
    "purser.http.app": "Only functions and schemas know HTTP",
    "purser.aws.tables": "Only adapters, idempotency records and the composition root know purser.aws",
    "purser.orders.telemetry": "Only the edges know what uses Powertools",
    "purser.orders.schemas": "Only functions know the schemas of a domain, and other schemas",
    "aws_lambda_powertools": "Only the edges and telemetry know Powertools",
    "boto3": "Only purser.aws and the adapters know boto3",
    "ccxt": "Only the exchange gateway knows ccxt",
    "requests": "Only gateways know requests",
    "stripe": "Only the payment gateway, and who checks that Stripe speaks, know stripe",
    "functions.wallet.app": "Nothing knows a function",
}
DIRECTIONS = {
    ("billing.probe", "purser.trading_accounts.model"): "What users pay and what they connect meet in plans only",
    ("trading_accounts.probe", "purser.billing.model"): "What users pay and what they connect meet in plans only",
    ("trading_accounts.probe", "purser.credentials.service"): "Trading accounts know credentials as values only",
    ("disconnecting.probe", "purser.trading_accounts.model"): "Cancelling orders needs no trading account",
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what import-linter reports for a copy of the code with a forbidden import in every place."""
    copy = tmp_path_factory.mktemp("linted")
    for folder in ("layers/core/purser", "functions"):
        shutil.copytree(ROOT / folder, copy / Path(folder).name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for place in {*PLACES, *(place for place, _ in DIRECTIONS)}:
        probe = copy.joinpath("purser", *place.split(".")).with_suffix(".py")
        probe.parent.mkdir(parents=True, exist_ok=True)
        (probe.parent / "__init__.py").touch()
        names = [*(FORBIDDEN if place in PLACES else ()), *(name for where, name in DIRECTIONS if where == place)]
        probe.write_text("".join(f"import {name}\n" for name in names))
    program = str(Path(sys.executable).with_name("lint-imports"))
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [program, "--no-logo", "--no-cache", "--verbose"]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_new_module_may_not_import_an_adapter(broken: str, place: str, module: str) -> None:
    assert f"{FORBIDDEN[module]} BROKEN" in broken
    assert re.search(rf"purser\.{re.escape(place)} -> {re.escape(module)}\b", broken), broken


@pytest.mark.parametrize(("place", "module"), DIRECTIONS)
def test_a_new_module_may_not_import_against_the_direction_of_its_package(broken: str, place: str, module: str) -> None:
    assert f"{DIRECTIONS[place, module]} BROKEN" in broken
    assert re.search(rf"purser\.{re.escape(place)} -> {re.escape(module)}\b", broken), broken
