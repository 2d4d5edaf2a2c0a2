"""The services that functions talk to, on loopback: DynamoDB Local, moto, the paper exchange, the double of Stripe."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from subprocess import PIPE
from typing import Any
from unittest.mock import patch

import boto3
import requests

from local import processes
from local.cloud import dynamodb
from local.cloud.aws import Aws
from local.doubles.binance import PaperControl
from local.doubles.stripe import StripeDouble
from local.doubles.stripe.double import Served
from purser import process
from purser.audit.store import recording
from purser.aws.clients import client
from purser.aws.key_vault import KeyVault
from purser.aws.tables import Table
from purser.clock import day_of, now_ms
from purser.credentials.model import SealedCredential, sealing_context
from purser.disconnecting.model import Cancellation
from purser.plans.model import public_plans
from purser.signals.model import SecretHash
from purser.signals.secrets import hashed
from purser.signals.store import DynamoSecretStore
from purser.snapshots.model import Job, Run
from purser.snapshots.store.runs import DynamoRunStore
from purser.strategies.model import Strategy
from purser.strategies.store import DynamoStrategyStore
from purser.trading_accounts.model import AccountRef, TradingAccount
from purser.trading_accounts.store.accounts import DynamoTradingAccountStore
from purser.work.model import RESEND_AFTER_MS
from tests.support.accounts import sealed_credential, trading_account
from tests.support.audit import entry
from tests.support.signals import SECRET, a_strategy
from tests.support.template import ROOT, resources
from tests.support.user_pool import UserPool

TABLE_PROPERTIES = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
HOLDINGS = {"USDT": "800", "BTC": "0.0125", "ETH": "0.4", "BNB": "1.5"}
NO_LIMIT = 10**9
OPEN_LANE = f"bench=127.0.0.1 weight {NO_LIMIT}"
"""An egress lane (``EgressLanes``) whose request weight no measurement can spend."""


@dataclass(frozen=True)
class World:
    """Running services.

    ``physical`` has the names of the template's resources and the values of its parameters. ``environment`` has the
    variables that lead to the services.
    """

    physical: Mapping[str, str]
    environment: Mapping[str, str]
    paper: PaperControl
    paper_url: str
    users: UserPool
    stripe: StripeDouble

    def new_account(self) -> TradingAccount:
        """Connect a new key of the paper exchange for a new user."""
        key = self.paper.key(spot=HOLDINGS)
        user_id, account_id, now = str(uuid.uuid4()), str(uuid.uuid4()), now_ms()
        facts = {"api_key": key["apiKey"], "created_at": now, "updated_at": now}
        account = trading_account(account_id, user_id, name="Bench", **facts)
        self.accounts().connect(account, self._sealed(account, key["secret"]), 0)
        return account

    def _sealed(self, account: TradingAccount, secret: str) -> SealedCredential:
        vault = KeyVault(self.physical["CredentialKey"])
        ciphertext = vault.encrypt(secret, sealing_context(account.user_id, account.id))
        return sealed_credential(account, ciphertext)

    def accounts(self) -> DynamoTradingAccountStore:
        """The store of trading accounts."""
        return DynamoTradingAccountStore(self.table("KeysTable"))

    def table(self, name: str) -> Table:
        """Return a table by its logical id."""
        return Table(self.physical[name])

    def new_job(self, accounts: int) -> Job:
        """Make a snapshot job with a number of new trading accounts, the only one of its run."""
        runs, now = DynamoRunStore(self.table("SnapshotsTable")), now_ms()
        made = [self.new_account() for _ in range(accounts)]
        run = Run(f"{now:013d}-{made[0].id[:8]}", day_of(now), now)
        refs = tuple(AccountRef(a.user_id, a.id) for a in made)
        job = Job(run.id, "000001", run.date, refs, due_at=now + RESEND_AFTER_MS)
        runs.extend(runs.begin(run).extended([job], now_ms()), [job])
        return job

    def new_strategy(self) -> Strategy:
        """Publish a strategy whose signals have the secret of ``tests.support.signals``."""
        strategy, recorded = a_strategy(), partial(recording, self.table("AuditTable"))
        DynamoStrategyStore(self.table("StrategiesTable"), recorded).add(strategy, entry())
        digest = SecretHash(hashed(SECRET), now_ms())
        DynamoSecretStore(self.table("StrategiesTable"), recorded).add(strategy.id, digest, 1, entry())
        return strategy

    def new_queue(self) -> str:
        """Make a queue and return its URL."""
        return _queue(str(uuid.uuid4()))

    def end_account(self, account: TradingAccount) -> Cancellation:
        """Disconnect a trading account. Its cancellation waits."""
        found = self.accounts().with_credential(account.user_id, account.id)
        assert found is not None
        now = now_ms()
        cancellation = Cancellation(account.id, account.trade_type, found[1], now, due_at=now)
        self.accounts().disconnect(account, cancellation, now)
        return cancellation


@contextmanager
def world() -> Iterator[World]:
    """Start everything, empty, and stop it at the end. This process's own clients use it too."""
    moto = Aws()
    moto.start()
    try:
        with dynamodb.serve() as dynamodb_url, _paper() as paper_url, StripeDouble() as stripe, stripe.serve() as at:
            environment = {
                "AWS_ENDPOINT_URL": moto.url,
                "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
                "AWS_REGION": "us-east-1",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7LOCAL",
                "AWS_SECRET_ACCESS_KEY": "local",
            }
            with patch.dict(os.environ, environment):
                process.forget(client)
                # Left over from an earlier world: moto keeps it for as long as the process lives.
                requests.post(f"{moto.url}/moto-api/reset", timeout=10).raise_for_status()
                paper = PaperControl(paper_url)
                paper.limits(spot=NO_LIMIT, futures=NO_LIMIT, snapshots=NO_LIMIT)
                users = UserPool()
                known = {
                    "UserPool": users.id,
                    "UserPoolClient": users.client_id,
                    "ExchangeEndpoint": paper_url,
                    "EgressLanes": OPEN_LANE,
                }
                physical = {**_resources(), **known, **_paying(at)}
                yield World(physical, environment, paper, paper_url, users, stripe)
    finally:
        moto.stop()


@contextmanager
def _paper() -> Iterator[str]:
    """Serve the paper exchange in a process of its own, so that it shares no interpreter with its callers."""
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "local.doubles.binance", "--port", "0", "--state", state]
        process = processes.spawn(command, env=dict(os.environ), cwd=ROOT, stdout=PIPE, stderr=None)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().rsplit(maxsplit=1)[-1]
        finally:
            processes.stop(process)


def _paying(stripe: Served) -> dict[str, str]:
    """Return the parameters of a stack that sells its plans at the double of Stripe."""
    name = "bench/stripe"
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(stripe.keys.secret))
    prices = ",".join(f"{plan.name}=price_purser_{plan.name.lower()}" for plan in public_plans())
    return {"StripeSecretId": name, "StripeEndpoint": stripe.url, "StripePrices": prices}


def _resources() -> dict[str, str]:
    """Create the resources of the template that functions use."""
    return {
        **{name: _table(name, properties) for name, properties in resources("AWS::DynamoDB::Table").items()},
        **{name: _queue(name) for name in resources("AWS::SQS::Queue")},
        **{name: _bus(name) for name in resources("AWS::Events::EventBus")},
        "CredentialKey": boto3.client("kms").create_key()["KeyMetadata"]["KeyId"],
    }


def _table(name: str, properties: Mapping[str, Any]) -> str:
    given = {key: properties[key] for key in TABLE_PROPERTIES if key in properties}
    boto3.client("dynamodb").create_table(TableName=name, **given)
    return name


def _bus(name: str) -> str:
    boto3.client("events").create_event_bus(Name=name)
    return name


def _queue(name: str) -> str:
    url: str = boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    return url
