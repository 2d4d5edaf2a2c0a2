"""The one place where adapters are put into services.

Each builder imports what it needs when it is called, so that a function loads only what it uses;
what it builds is kept for the life of the process.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from purser.clock import now_ms
from purser.settings import settings

if TYPE_CHECKING:
    from purser.aws.key_vault import KeyVault
    from purser.aws.queues import Queue
    from purser.aws.secrets import Secret
    from purser.aws.tables import Table
    from purser.billing.inbox import Inbox
    from purser.billing.journal import PowertoolsBillingJournal
    from purser.billing.model import Prices
    from purser.billing.paying import Payments
    from purser.billing.ports import PaymentGateway
    from purser.billing.reconciling import Reconciliation
    from purser.billing.service import Subscriptions
    from purser.billing.stripe_gateway import StripeGateway
    from purser.billing.sync import Synchronization
    from purser.customers.service import Customers
    from purser.enforcement.service import Enforcement
    from purser.events.service import Publisher
    from purser.exchanges.ccxt_orders import CcxtOrderDesk
    from purser.exchanges.model import ApiCredential
    from purser.exchanges.port import ExchangeGateway
    from purser.follows.service import Follows
    from purser.health.service import HealthChecks
    from purser.ledger.service import Ledger
    from purser.ledger.wallets import Wallets
    from purser.notifications.service import Notifications
    from purser.orders.history import TradeHistory
    from purser.orders.intents import Intent
    from purser.orders.journal import PowertoolsOrderJournal
    from purser.orders.placing import Placement
    from purser.orders.reconciling import Reconciler
    from purser.orders.service import Orders
    from purser.orders.store import DynamoIntents
    from purser.orders.working import IntentWorker
    from purser.portfolio.service import PortfolioReader
    from purser.profiles.service import Profiles
    from purser.sessions.service import Sessions
    from purser.snapshots.backfilling import BackfillRequests, BackfillSweeper, BackfillWorker
    from purser.snapshots.history import BalanceHistory
    from purser.snapshots.journal import PowertoolsJournal
    from purser.snapshots.planner import SnapshotPlanner
    from purser.snapshots.store import DynamoBackfills, DynamoRuns
    from purser.snapshots.sweeper import SnapshotSweeper
    from purser.snapshots.worker import SnapshotWorker
    from purser.strategies.service import Results, Strategies
    from purser.trading_accounts.access import AccountAccess
    from purser.trading_accounts.cancelling import Cancellations, CancellationSweep
    from purser.trading_accounts.credentials import Credentials
    from purser.trading_accounts.desk import Desk
    from purser.trading_accounts.service import TradingAccounts
    from purser.users.service import Users


@cache
def _table(setting: str) -> Table:
    from purser.aws.tables import Table

    return Table(settings().require(setting))


@cache
def _queue(setting: str) -> Queue:
    from purser.aws.queues import Queue

    return Queue(settings().require(setting))


@cache
def _vault() -> KeyVault:
    from purser.aws.key_vault import KeyVault

    return KeyVault(settings().require("credential_key_id"))


@cache
def exchange_gateway() -> ExchangeGateway:
    """The gateway to the exchange, unpaced."""
    from purser.exchanges.ccxt_gateway import CcxtGateway

    return CcxtGateway(endpoint=settings().exchange_endpoint)


@cache
def subscriptions() -> Subscriptions:
    """Who has which plan."""
    from purser.billing.service import Subscriptions
    from purser.billing.store import DynamoSubscriptions

    grace_ms = settings().billing_grace_days * DAY_MS
    return Subscriptions(DynamoSubscriptions(_table("accounts_table")), now_ms, grace_ms)


@cache
def stripe_secret() -> Secret:
    """Stripe's keys: ``{"apiKey": …, "webhookSecret": …}``."""
    from purser.aws.secrets import Secret

    return Secret(settings().require("stripe_secret_id"))


@cache
def payment_gateway() -> StripeGateway:
    """The gateway to Stripe."""
    from purser.billing.stripe_gateway import StripeGateway

    given = settings()
    return StripeGateway(
        stripe_secret().value, given.stripe_endpoint, given.checkout_success_url, given.checkout_cancel_url
    )


@cache
def prices() -> Prices:
    """What the plans cost at Stripe."""
    from purser.billing.model import Prices

    return Prices(settings().stripe_prices)


PAYMENT_S = 22.0
"""How long the calls of one use case wait for Stripe together: the API gateway itself gives up after 29 s."""


@cache
def payments() -> Payments:
    """Buying plans. Stripe's library is loaded by the first call that needs it."""
    from purser.billing.paying import Payments
    from purser.billing.store import DynamoCustomers
    from purser.trading_accounts.store import DynamoTradingAccounts

    accounts = DynamoTradingAccounts(_table("keys_table"))

    def gateway() -> PaymentGateway:
        return payment_gateway().within(PAYMENT_S)

    return Payments(gateway, DynamoCustomers(_table("accounts_table")), prices(), accounts)


@cache
def enforcement() -> Enforcement:
    """Making what users have what their plans allow."""
    from purser.enforcement.service import Enforcement
    from purser.enforcement.store import DynamoHoldings

    return Enforcement(DynamoHoldings(_table("keys_table")), subscriptions(), now_ms)


@cache
def cancellations() -> Cancellations:
    """Cancelling the orders of ended trading accounts."""
    from purser.trading_accounts.cancelling import Cancellations
    from purser.trading_accounts.store import DynamoCancellations

    store = DynamoCancellations(_table("keys_table"))
    return Cancellations(store, _vault(), exchange_gateway(), cancellation_queue(), now_ms)


@cache
def _backfill_requests() -> BackfillRequests:
    from purser.snapshots.backfilling import BackfillRequests

    return BackfillRequests(backfill_queue())


@cache
def trading_accounts() -> TradingAccounts:
    """The use cases of trading accounts."""
    from purser.trading_accounts.service import TradingAccounts
    from purser.trading_accounts.store import DynamoTradingAccounts

    return TradingAccounts(
        store=DynamoTradingAccounts(_table("keys_table"), _while_active),
        vault=_vault(),
        gateway=exchange_gateway(),
        plans=subscriptions(),
        cancellations=cancellations(),
        backfills=_backfill_requests(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )


def _while_active(owner_id: str, customer_id: str) -> dict[str, Any]:
    from purser.customers.store import DynamoCustomers

    return DynamoCustomers(_table("accounts_table")).while_active(owner_id, customer_id)


@cache
def credentials() -> Credentials:
    """The use cases of credentials."""
    from purser.trading_accounts.admission import Admission
    from purser.trading_accounts.credentials import Credentials, Exchanges
    from purser.trading_accounts.store import DynamoCredentials, DynamoTradingAccounts

    gateway, keys = exchange_gateway(), _table("keys_table")
    admission = Admission(gateway, now_ms, settings().usdc_usd)
    exchanges = Exchanges(gateway, admission, _account_access(), cancellations())
    return Credentials(
        DynamoCredentials(keys), DynamoTradingAccounts(keys), _vault(), exchanges, subscriptions(), now_ms
    )


@cache
def desk() -> Desk:
    """The use cases of trading accounts as the desk sees them."""
    from purser.trading_accounts.desk import Desk
    from purser.trading_accounts.store import DynamoOperations, DynamoTradingAccounts

    keys = _table("keys_table")
    return Desk(trading_accounts(), credentials(), DynamoTradingAccounts(keys), DynamoOperations(keys), _has_account)


@cache
def balance_history() -> BalanceHistory:
    """The history of balances."""
    from purser.snapshots.history import BalanceHistory
    from purser.snapshots.store import DynamoHistory

    return BalanceHistory(DynamoHistory(_table("snapshots_table")))


@cache
def _runs() -> DynamoRuns:
    from purser.snapshots.store import DynamoRuns

    return DynamoRuns(_table("snapshots_table"))


@cache
def _journal() -> PowertoolsJournal:
    from purser.snapshots.journal import PowertoolsJournal

    return PowertoolsJournal(settings().powertools_metrics_namespace)


@cache
def snapshot_queue() -> Queue:
    """The queue of balance snapshot jobs."""
    return _queue("snapshot_queue_url")


@cache
def cancellation_queue() -> Queue:
    """The queue of order cancellations."""
    return _queue("cancellation_queue_url")


@cache
def backfill_queue() -> Queue:
    """The queue of backfills."""
    return _queue("backfill_queue_url")


@cache
def snapshot_planner() -> SnapshotPlanner:
    """Planning balance snapshots."""
    from purser.snapshots.planner import SnapshotPlanner
    from purser.trading_accounts.store import DynamoTradingAccounts

    accounts = DynamoTradingAccounts(_table("keys_table"))
    return SnapshotPlanner(accounts, _runs(), snapshot_queue(), _journal(), now_ms)


@cache
def _paced_gateway() -> ExchangeGateway:
    """The gateway of a snapshot worker: it keeps to its share of the exchange's weight, and a connection a reader."""
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.model import TradeType
    from purser.exchanges.pacing import WeightPacer
    from purser.snapshots.reader import READERS

    pacers = {
        TradeType.SPOT: WeightPacer(settings().snapshot_weight_per_minute_spot),
        TradeType.FUTURES: WeightPacer(settings().snapshot_weight_per_minute_futures),
    }
    return CcxtGateway(endpoint=settings().exchange_endpoint, pool_size=READERS, pacers=pacers)


@cache
def snapshot_worker() -> SnapshotWorker:
    """Taking balance snapshots."""
    from purser.snapshots.reader import ReaderPorts
    from purser.snapshots.store import DynamoSnapshots
    from purser.snapshots.worker import SnapshotWorker
    from purser.trading_accounts.store import DynamoTradingAccounts

    keys = _table("keys_table")
    reading = ReaderPorts(
        snapshots=DynamoSnapshots(_table("snapshots_table"), keys),
        backfills=_backfills(),
        accounts=DynamoTradingAccounts(keys),
        vault=_vault(),
        gateway=_paced_gateway(),
        journal=_journal(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )
    return SnapshotWorker(_runs(), snapshot_queue(), _journal(), reading, now_ms, settings().snapshot_max_receives)


@cache
def snapshot_sweeper() -> SnapshotSweeper:
    """Sending lost balance snapshot jobs again."""
    from purser.snapshots.sweeper import SnapshotSweeper

    return SnapshotSweeper(_runs(), snapshot_queue(), _journal(), now_ms)


@cache
def _backfills() -> DynamoBackfills:
    from purser.snapshots.store import DynamoBackfills

    return DynamoBackfills(_table("keys_table"))


CLOSES_WEIGHT_PER_MINUTE = 600
"""Of a worker that reads closing prices, which count against the limit of all spot requests: a tenth of it."""


def _backfill_pause_ms() -> int:
    from purser.exchanges.ccxt_gateway import PAST_BALANCES

    return PAST_BALANCES.weight * 60_000 // settings().backfill_weight_per_minute


@cache
def backfill_worker() -> BackfillWorker:
    """Fetching past days."""
    from purser.exchanges.ccxt_gateway import CcxtGateway
    from purser.exchanges.model import TradeType
    from purser.exchanges.pacing import WeightPacer
    from purser.snapshots.backfilling import BackfillPorts, BackfillWorker
    from purser.snapshots.closes import DailyCloses
    from purser.snapshots.store import DynamoHistory, DynamoSnapshots, DynamoTurns

    snapshots = _table("snapshots_table")
    pacers = {TradeType.SPOT: WeightPacer(CLOSES_WEIGHT_PER_MINUTE)}
    past_pacer = WeightPacer(settings().backfill_weight_per_minute)
    gateway = CcxtGateway(endpoint=settings().exchange_endpoint, pacers=pacers, past_pacer=past_pacer)
    ports = BackfillPorts(
        backfills=_backfills(),
        turns=DynamoTurns(snapshots, _backfill_pause_ms()),
        access=_account_access(),
        snapshots=DynamoSnapshots(snapshots, _table("keys_table")),
        history=DynamoHistory(snapshots),
        gateway=gateway,
        closes=DailyCloses(gateway, now_ms),
        journal=_journal(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
    )
    return BackfillWorker(ports, backfill_queue(), settings().backfill_max_receives)


@cache
def backfill_sweeper() -> BackfillSweeper:
    """Sending the backfills that are due."""
    from purser.snapshots.backfilling import BackfillSweeper

    return BackfillSweeper(_backfills(), backfill_queue(), now_ms, _backfill_pause_ms())


@cache
def cancellation_sweep() -> CancellationSweep:
    """Sending lost order cancellations again."""
    from purser.trading_accounts.cancelling import CancellationSweep
    from purser.trading_accounts.store import DynamoCancellations

    return CancellationSweep(DynamoCancellations(_table("keys_table")), cancellation_queue(), now_ms)


@cache
def customers() -> Customers:
    """The use cases of customers. Packages whose things can tie a customer add their ``Holdings`` here."""
    from purser.customers.service import Customers
    from purser.customers.store import DynamoCustomers
    from purser.trading_accounts.store import DynamoTies

    ties = DynamoTies(_table("keys_table"))
    store = DynamoCustomers(_table("accounts_table"), ties.while_free)
    return Customers(store, _vault(), holdings=(wallets(), ties), now=now_ms)


@cache
def sessions() -> Sessions:
    """Signing in and out."""
    from purser.sessions.cognito import CognitoIdentityProvider
    from purser.sessions.service import Sessions

    pool_id, client_id = settings().require("user_pool_id"), settings().require("user_pool_client_id")
    return Sessions(CognitoIdentityProvider(pool_id, client_id), now_ms)


@cache
def users() -> Users:
    """Users as an administrator sees them."""
    from purser.trading_accounts.store import DynamoTradingAccounts
    from purser.users.cognito import CognitoDirectory
    from purser.users.service import Users

    directory = CognitoDirectory(settings().require("user_pool_id"))
    return Users(directory, subscriptions(), DynamoTradingAccounts(_table("keys_table")), enforcement())


@cache
def health_checks() -> HealthChecks:
    """Whether Purser and what it depends on are well."""
    from aws_lambda_powertools import Logger

    from purser.aws import health
    from purser.exchanges.ping import ping
    from purser.health.service import HealthChecks

    given, logger = settings(), Logger()
    tables = [given.require(f"{name}_table") for name in ("accounts", "keys", "snapshots", "idempotency")]
    queues = [given.require(f"{name}_queue_url") for name in ("snapshot", "cancellation", "backfill", "billing")]
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


@cache
def profiles() -> Profiles:
    """The use cases of profiles."""
    from purser.profiles.service import Profiles
    from purser.profiles.store import DynamoProfiles

    return Profiles(DynamoProfiles(_table("accounts_table")), now_ms)


@cache
def notifications() -> Notifications:
    """The use cases of notifications."""
    from purser.notifications.service import Notifications
    from purser.notifications.store import DynamoNotifications

    return Notifications(DynamoNotifications(_table("accounts_table")), now_ms)


@cache
def strategies() -> Strategies:
    """The use cases of strategies and risk profiles."""
    from purser.strategies.service import Strategies
    from purser.strategies.store import DynamoStrategies

    return Strategies(DynamoStrategies(_table("strategies_table")), now_ms)


@cache
def strategy_results() -> Results:
    """Publishing results of strategies, and reading what they come to."""
    from purser.strategies.service import Results
    from purser.strategies.store import DynamoResults, DynamoStrategies

    table = _table("strategies_table")
    return Results(DynamoStrategies(table), DynamoResults(table), now_ms)


@cache
def follows() -> Follows:
    """The use cases of follows."""
    from purser.follows.service import Follows
    from purser.follows.store import DynamoFollows
    from purser.strategies.store import DynamoStrategies
    from purser.trading_accounts.store import DynamoTradingAccounts

    keys = _table("keys_table")
    catalog = DynamoStrategies(_table("strategies_table"))
    return Follows(DynamoFollows(keys), DynamoTradingAccounts(keys), catalog, subscriptions(), now_ms)


@cache
def telegram_secret() -> Secret:
    """The secret token that Telegram's updates carry."""
    from purser.aws.secrets import Secret

    return Secret(settings().require("telegram_secret_id"))


@cache
def billing_queue() -> Queue:
    """The queue of Stripe customers whose state may have changed."""
    return _queue("billing_queue_url")


@cache
def stripe_inbox() -> Inbox:
    """What Stripe says by webhook."""
    from purser.aws.seen import Seen
    from purser.billing.inbox import Inbox
    from purser.billing.stripe_signature import StripeSignatures

    seen = Seen(settings().require("idempotency_table"), "STRIPE_EVENT")
    # Without a secret there is no Stripe, and nobody can speak for it.
    keys = stripe_secret().value if settings().stripe_secret_id else str
    return Inbox(StripeSignatures(keys), seen, billing_queue())


@cache
def _billing_journal() -> PowertoolsBillingJournal:
    from purser.billing.journal import PowertoolsBillingJournal

    return PowertoolsBillingJournal(settings().powertools_metrics_namespace)


@cache
def synchronization() -> Synchronization:
    """Making what is noted of subscriptions what they are at Stripe."""
    from purser.billing.store import DynamoCustomers, DynamoSubscriptions
    from purser.billing.sync import Synchronization

    accounts = _table("accounts_table")
    return Synchronization(
        gateway=payment_gateway(),
        store=DynamoSubscriptions(accounts),
        customers=DynamoCustomers(accounts),
        prices=prices(),
        enforcement=enforcement(),
        journal=_billing_journal(),
        now=now_ms,
        grace_ms=settings().billing_grace_days * DAY_MS,
    )


@cache
def reconciliation() -> Reconciliation:
    """Comparing all subscriptions with Stripe."""
    from purser.billing.reconciling import Reconciliation
    from purser.billing.store import DynamoProgress, DynamoSubscriptions

    accounts = _table("accounts_table")
    return Reconciliation(
        gateway=payment_gateway,
        index=DynamoSubscriptions(accounts),
        progress=DynamoProgress(accounts),
        prices=prices(),
        queue=billing_queue(),
        journal=_billing_journal(),
        now=now_ms,
    )


@cache
def recaptcha_secret() -> Secret:
    """The secret that reCAPTCHA tokens are verified with."""
    from purser.aws.secrets import Secret

    return Secret(settings().require("recaptcha_secret_id"))


@cache
def wallets() -> Wallets:
    """The use cases of wallets."""
    from purser.ledger.store import DynamoWallets
    from purser.ledger.wallets import Wallets

    return Wallets(DynamoWallets(_table("wallets_table")), now_ms, _has_account)


def _has_account(owner_id: str, account_id: str) -> bool:
    from purser.customers.store import DynamoCustomers

    customer = DynamoCustomers(_table("accounts_table")).get(account_id)
    return customer is not None and customer.owner_id == owner_id and customer.disconnected_at is None


@cache
def ledger() -> Ledger:
    """The use cases of the ledger."""
    from purser.ledger.service import Ledger
    from purser.ledger.store import DynamoBooks, DynamoWallets

    table = _table("wallets_table")
    return Ledger(wallets(), DynamoWallets(table), DynamoBooks(table), now_ms)


DAY_MS = 24 * 3600 * 1000

ORDER_PATIENCE_S = 4.0
"""How long an order's calls wait for the exchange: several of them fit into one request."""


@cache
def _order_desk() -> CcxtOrderDesk:
    from purser.exchanges.ccxt_orders import CcxtOrderDesk

    return CcxtOrderDesk(endpoint=settings().exchange_endpoint, timeout=ORDER_PATIENCE_S)


@cache
def _account_access() -> AccountAccess:
    from purser.trading_accounts.access import AccountAccess
    from purser.trading_accounts.store import DynamoTradingAccounts

    return AccountAccess(DynamoTradingAccounts(_table("keys_table")), _vault(), now_ms)


@cache
def _intents() -> DynamoIntents:
    from purser.orders.store import DynamoIntents

    return DynamoIntents(_table("orders_table"))


@cache
def _order_journal() -> PowertoolsOrderJournal:
    from purser.orders.journal import PowertoolsOrderJournal

    return PowertoolsOrderJournal(settings().powertools_metrics_namespace)


@cache
def _intent_worker() -> IntentWorker:
    from purser.orders.placing import Placement
    from purser.orders.working import IntentWorker

    def placement(credential: ApiCredential, intent: Intent) -> Placement:
        return Placement(_order_desk(), credential, intent)

    return IntentWorker(_intents(), _account_access(), placement, _order_journal(), now_ms)


@cache
def orders() -> Orders:
    """The use cases of orders and positions."""
    from purser.orders.service import Orders

    return Orders(_intents(), _account_access(), _order_desk(), _intent_worker(), now_ms)


@cache
def order_reconciler() -> Reconciler:
    """Settling orders that were cut, are unknown, or rest."""
    from purser.orders.reconciling import Reconciler

    return Reconciler(_intents(), _intent_worker(), _order_journal(), now_ms)


@cache
def trade_history() -> TradeHistory:
    """The trading history."""
    from purser.orders.history import TradeHistory
    from purser.orders.store import DynamoTradeHistory

    return TradeHistory(DynamoTradeHistory(_table("orders_table")))


@cache
def event_publisher() -> Publisher:
    """Publishing events."""
    from purser.aws.events import EventBus
    from purser.events.bus import EventBridge
    from purser.events.journal import PowertoolsEventJournal
    from purser.events.service import Publisher

    return Publisher(EventBridge(EventBus(settings().require("event_bus_name"))), PowertoolsEventJournal())


PORTFOLIO_PATIENCE_S = 15.0
"""How long a list of portfolios waits for exchanges: less than its function may take, and the gateway waits."""


@cache
def portfolios() -> PortfolioReader:
    """Reading portfolios."""
    from purser.portfolio.journal import PowertoolsPortfolioJournal
    from purser.portfolio.service import PortfolioReader
    from purser.trading_accounts.store import DynamoTradingAccounts

    return PortfolioReader(
        accounts=DynamoTradingAccounts(_table("keys_table")),
        access=_account_access(),
        exchange=_order_desk(),
        wallets=wallets(),
        journal=PowertoolsPortfolioJournal(),
        now=now_ms,
        usdc_usd=settings().usdc_usd,
        patience_s=PORTFOLIO_PATIENCE_S,
    )
