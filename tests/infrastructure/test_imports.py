"""Test that the contracts of import-linter hold for new modules, wherever they are put."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("probe", "orders.probe", "trading_accounts.probe", "brand_new.service")
FORBIDDEN = {
    "purser.orders.store": "Only the composition root imports stores",
    "purser.keys_table": "Only the composition root imports stores",
    "purser.users.cognito": "Only the composition root imports stores",
    "purser.exchanges.ccxt_gateway": "Only the composition root imports gateways to vendors",
    "purser.settings": "Only functions, the composition root and HTTP code import settings",
    "purser.bootstrap.orders": "Only functions import the composition root",
    "purser.http.app": "Only functions and schemas import HTTP code",
    "purser.aws.tables": "Only adapters, request guards and the composition root import purser.aws",
    "purser.orders.telemetry": "Only the edges import modules that use Powertools",
    "purser.orders.schemas": "Only functions and other schemas import schemas",
    "aws_lambda_powertools": "Only the edges and telemetry import Powertools",
    "boto3": "Only purser.aws and the adapters import boto3",
    "ccxt": "Only the exchange gateway imports ccxt",
    "requests": "Only gateways import requests",
    "stripe": "Only the payment gateway and the signature check import stripe",
    "functions.wallet.app": "Nothing imports a function",
}
DIRECTIONS = {
    ("billing.probe", "purser.trading_accounts.model"): "Billing and trading accounts share only plans",
    ("trading_accounts.probe", "purser.billing.model"): "Billing and trading accounts share only plans",
    (
        "trading_accounts.probe",
        "purser.credentials.service",
    ): "Trading accounts import the model of credentials, but not their service",
    ("disconnecting.probe", "purser.trading_accounts.model"): "Cancelling orders imports no code of trading accounts",
}


def report(folder: Path, probes: Mapping[str, Iterable[str]], *options: str) -> str:
    """Return what import-linter reports for a copy of the code with new modules that import the given ones."""
    for part in ("layers/core/purser", "functions"):
        shutil.copytree(ROOT / part, folder / Path(part).name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for place, names in probes.items():
        probe = folder.joinpath("purser", *place.split(".")).with_suffix(".py")
        probe.parent.mkdir(parents=True, exist_ok=True)
        (probe.parent / "__init__.py").touch()
        probe.write_text("".join(f"import {name}\n" for name in names))
    program = str(Path(sys.executable).with_name("lint-imports"))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [program, "--no-logo", "--no-cache", "--verbose", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the report on a forbidden import in every place."""
    probes: dict[str, list[str]] = {place: [*FORBIDDEN] for place in PLACES}
    for place, module in DIRECTIONS:
        probes.setdefault(place, []).append(module)
    return report(tmp_path_factory.mktemp("linted"), probes)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_new_module_may_not_import_an_adapter(broken: str, place: str, module: str) -> None:
    assert f"{FORBIDDEN[module]} BROKEN" in broken
    assert re.search(rf"purser\.{re.escape(place)} -> {re.escape(module)}\b", broken), broken


@pytest.mark.parametrize(("place", "module"), DIRECTIONS)
def test_a_new_module_may_not_import_against_the_direction_of_its_package(broken: str, place: str, module: str) -> None:
    assert f"{DIRECTIONS[place, module]} BROKEN" in broken
    assert re.search(rf"purser\.{re.escape(place)} -> {re.escape(module)}\b", broken), broken


def test_a_new_module_may_not_close_a_cycle_of_packages(tmp_path: Path) -> None:
    text = report(tmp_path, {"audit.probe": ["purser.ledger.model"]}, "--contract", "package-cycles")
    assert "Packages import each other without a cycle BROKEN" in text
    assert ".audit -> .ledger (1 import)" in text
