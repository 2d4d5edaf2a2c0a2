"""Portfolios: their figures, their pages, and failing accounts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from purser import errors as e
from purser.actor import Actor
from purser.exchanges.model import AccountBalance, ApiCredential, AssetBalance, Prices, TradeType
from purser.exchanges.orders import Position
from purser.http.wire import dump
from purser.ledger.model import Wallet, WalletStatus
from purser.pages import Page
from purser.portfolio.model import Balance, ExchangeView, Portfolio, needs_prices, of_account, of_wallet, valued
from purser.portfolio.schemas import portfolio_answer
from purser.portfolio.service import PortfolioFilter, PortfolioReader, Portfolios
from purser.trading_accounts.model import ConnectedAccounts, TradingAccount
from tests.support.audit import FakeAudit
from tests.support.event_examples import ACCOUNT, NOW, USER, WALLET

OTHER = "another user"
PRICES = Prices({"USDCUSDT": Decimal(1), "BTCUSDT": Decimal(20000)})
POSITION = Position(
    symbol="BTC/USDT",
    side="short",
    contracts=Decimal("0.5"),
    entry_price=Decimal(21000),
    mark_price=Decimal(20000),
    notional=Decimal(10000),
    unrealized_pnl=Decimal(500),
    liquidation_price=None,
    initial_margin=Decimal(1000),
    maintenance_margin=Decimal(100),
    collateral=Decimal(0),
    margin_mode="cross",
    is_hedged=False,
    timestamp=NOW - 5,
)


def balance(**totals: str) -> AccountBalance:
    amounts = tuple(AssetBalance(asset, Decimal(n), Decimal(0), Decimal(n)) for asset, n in totals.items())
    return AccountBalance(TradeType.SPOT, amounts)


def account(i: int, **changed: Any) -> TradingAccount:
    return replace(ACCOUNT, id=f"00000000-0000-4000-8000-{i:012d}", api_key=f"key {i}", **changed)


def wallet(i: int, **changed: Any) -> Wallet:
    return replace(WALLET, id=f"00000000-0000-4000-9000-{i:012d}", **changed)


def test_a_summary_has_equity_margin_and_risk() -> None:
    futures = account(1, trade_type=TradeType.FUTURES)
    summary = valued(
        of_account(futures, ExchangeView(balance(USDT="5000"), (POSITION,)), NOW), PRICES, Decimal(1)
    ).summary
    assert (summary.equity, summary.margin, summary.margin_requirement) == (Decimal(5000), Decimal(1000), Decimal(100))
    assert (summary.margin_usage, summary.margin_level) == (Decimal("0.2"), Decimal(50))
    assert (summary.risk_exposure, summary.risk_rate, summary.leverage) == (Decimal(10000), Decimal(2), 2)


def test_the_equity_of_a_multi_assets_account_is_the_total_of_the_venue() -> None:
    futures = account(1, trade_type=TradeType.FUTURES)
    multi = replace(balance(USDT="-100", BNFCR="1", OBSCURE="7"), total_usd=Decimal("4000.123456789"))
    summary = valued(of_account(futures, ExchangeView(multi, (POSITION,)), NOW), PRICES, Decimal(1)).summary
    assert (summary.equity, summary.margin_usage) == (Decimal("4000.12345679"), Decimal("0.24999228"))


def test_without_positions_there_is_no_risk() -> None:
    summary = valued(
        of_account(account(1), ExchangeView(balance(BTC="0.5", USDT="0")), NOW), PRICES, Decimal(1)
    ).summary
    assert (summary.equity, summary.leverage) == (Decimal(10000), 1)
    assert (summary.risk_exposure, summary.margin_level) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize("total", ["0", "-10"])
def test_without_equity_the_rates_are_zero(total: str) -> None:
    view = ExchangeView(balance(USDT=total), (POSITION,))
    summary = valued(of_account(account(1), view, NOW), PRICES, Decimal(1)).summary
    assert (summary.risk_rate, summary.margin_usage, summary.leverage) == (Decimal(0), Decimal(0), None)


@pytest.mark.parametrize(("equity", "leverage"), [("0.00001", 1_000_000_000), ("0.000001", None)])
def test_a_leverage_that_no_client_can_read_is_unknown(equity: str, leverage: int | None) -> None:
    view = ExchangeView(replace(balance(), total_usd=Decimal(equity)), (POSITION,))
    summary = valued(of_account(account(1), view, NOW), PRICES, Decimal(1)).summary
    assert summary.leverage == leverage
    assert summary.risk_rate > 0


def test_dollars_need_no_price_and_unpriced_assets_are_left_out() -> None:
    own = of_wallet(WALLET, {"USD": Decimal("12.5"), "USDC": Decimal(2), "NOPRICE": Decimal(9)}, NOW)
    assert valued(own, PRICES, Decimal(1)).summary.equity == Decimal("14.5")
    assert needs_prices(own)
    assert not needs_prices(of_wallet(WALLET, {"USD": Decimal(1), "USDC": Decimal(1)}, NOW))


@pytest.mark.parametrize("status", [WalletStatus.FROZEN, WalletStatus.CLOSED])
def test_balances_of_a_frozen_wallet_are_locked(status: WalletStatus) -> None:
    (balance,) = of_wallet(replace(WALLET, status=status), {"BTC": Decimal(3)}, NOW).balances
    assert balance.is_locked
    assert (balance.free, balance.locked, balance.total) == (Decimal(0), Decimal(3), Decimal(3))
    (moving,) = of_wallet(WALLET, {"BTC": Decimal(3)}, NOW).balances
    assert (moving.free, moving.locked, moving.is_locked) == (Decimal(3), Decimal(0), False)


def test_filtering_by_currency_does_not_change_the_summary() -> None:
    futures = of_account(account(1), ExchangeView(balance(USDT="5000", BNB="1"), (POSITION,)), NOW)
    whole = valued(futures, PRICES, Decimal(1))
    assert [b.asset for b in whole.narrowed("BNB").balances] == ["BNB"]
    assert whole.narrowed("BNB").positions == ()
    assert whole.narrowed("USDT").positions == whole.narrowed("BTC").positions == (POSITION,)
    assert whole.narrowed("BNB").summary == whole.summary


AMOUNT = re.compile(r"-?\d+(\.\d+)?")


NO_AMOUNTS = ("tradingAccountId", "currency", "leverage")


@pytest.mark.parametrize("amount", ["1E+25", "1E-18", "-0.000", "12345678901234567890.123456789012345678", "-5"])
def test_amounts_are_plain_and_exact(amount: str) -> None:
    shown = portfolio_answer(of_wallet(WALLET, {"BTC": Decimal(amount)}, NOW)).model_dump(mode="json")
    (balance_row,) = shown["balances"]
    assert Decimal(balance_row["total"]) == Decimal(amount)
    figures = [balance_row[name] for name in ("free", "locked", "borrowed", "total", "net")]
    figures += [value for name, value in shown["summary"].items() if name not in NO_AMOUNTS]
    assert all(AMOUNT.fullmatch(figure) for figure in figures), figures


def test_an_answer_has_every_required_field() -> None:
    futures = of_account(account(1), ExchangeView(balance(USDT="5000", EUR="1"), (POSITION,)), NOW)
    shown = portfolio_answer(valued(futures, PRICES, Decimal(1))).model_dump(mode="json")
    assert {"tradingAccountId", "venue", "positions", "balances", "summary", "updatedAt", "updatedAtDateTime"} <= set(
        shown
    )
    assert {
        "tradingAccountId", "currency", "leverage", "equity", "margin", "marginLoan", "marginUsage",
        "marginRequirement", "marginLevel", "credit", "riskExposure", "maxRiskExposure", "riskExposureRate",
    } == set(shown["summary"])  # fmt: skip
    assert [b["securityType"] for b in shown["balances"]] == ["CRYPTO", "CURRENCY"]
    (position,) = shown["positions"]
    assert (position["positionSide"], position["status"], position["quantity"]) == ("SHORT", "OPEN", "0.5")
    assert (position["instrumentId"], position["securityType"]) == ("BINANCE:BTC/USDT", "PERPETUAL")
    assert position["createdAt"] == position["updatedAt"] == NOW - 5
    assert shown["error"] is None


@pytest.mark.parametrize(
    ("error", "errno"),
    [
        (e.ExchangeAuthorizationFailed(), -120005),
        (e.ExchangeUnavailable(), -120005),
        (e.ExchangeBadRequest(), -120005),
        (e.ExchangeRateLimited(retry_after=5), -190429),
        (e.NotFound(), -120002),
        (e.Unavailable("the table's name"), -190500),
    ],
)
def test_a_failure_has_its_errno(error: e.PurserError, errno: int) -> None:
    shown = portfolio_answer(Portfolio(WALLET.id, "BINANCE", NOW, error=error)).error
    assert shown is not None
    assert shown.errno == errno
    assert "table" not in shown.error


def test_refused_stored_data_is_no_outage() -> None:
    shown = portfolio_answer(Portfolio(WALLET.id, "BINANCE", NOW, error=e.StoredDataRefused())).error
    assert shown is not None
    assert (shown.errno, shown.error) == (-190500, e.StoredDataRefused.default)


@dataclass
class World:
    """The reader's ports in memory. ``failing`` has the errors of accounts by API key."""

    accounts: list[TradingAccount] = field(default_factory=list)
    wallets: list[Wallet] = field(default_factory=list)
    failing: dict[str, Exception] = field(default_factory=dict)
    no_prices: Exception | None = None
    noted: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    hangs: set[str] = field(default_factory=set)
    audit: FakeAudit = field(default_factory=FakeAudit)

    def connected(self, user_id: str) -> ConnectedAccounts:
        return ConnectedAccounts(1, tuple(a for a in self.accounts if a.user_id == user_id))

    def get(self, user_id: str, trading_account_id: str) -> TradingAccount | None:
        return next((a for a in self.accounts if (a.user_id, a.id) == (user_id, trading_account_id)), None)

    def owner_of(self, trading_account_id: str) -> str | None:
        return next((a.user_id for a in self.accounts if a.id == trading_account_id), None)

    def prices(self) -> Prices:
        self.calls.append("prices")
        if self.no_prices:
            raise self.no_prices
        return PRICES

    def account_balance(self, credential: ApiCredential, trade_type: TradeType) -> AccountBalance:
        if credential.api_key in self.hangs:
            self.hanging.wait(30)
        self.calls.append(credential.api_key)
        if error := self.failing.get(credential.api_key):
            raise error
        return balance(USDT="100")

    def positions(self, credential: ApiCredential) -> Sequence[Position]:
        return [POSITION]


@dataclass
class FakeAccess:
    world: World

    def get(self, user_id: str, trading_account_id: str) -> tuple[TradingAccount, ApiCredential]:
        found = self.world.get(user_id, trading_account_id)
        assert found is not None
        return found, ApiCredential(found.api_key, "secret")

    @contextmanager
    def recording_key_status(self, account: TradingAccount) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.world.noted.append(account.id)
            raise


@dataclass
class FakeWallets:
    world: World

    def page(self, actor: Actor, *, limit: int, offset: int = 0) -> Page[Wallet]:
        own = [w for w in self.world.wallets if actor.is_admin or w.owner_id == actor.user_id]
        found = tuple(own[offset : offset + limit])
        return Page(found, "more" if len(own) > offset + limit else None)

    def get(self, actor: Actor, wallet_id: str) -> Wallet:
        found = next((w for w in self.world.wallets if w.id == wallet_id), None)
        if found is None:
            raise e.WalletNotFound
        found.must_be_open_to(actor)
        return found

    def balances_of(self, wallets: Sequence[Wallet]) -> Mapping[str, Mapping[str, Decimal]]:
        return {wallet.id: {"USDC": Decimal(7)} for wallet in wallets}


class FakeTelemetry:
    def __init__(self, world: World) -> None:
        self.world = world

    def unread(self, account: TradingAccount, error: Exception) -> None:
        self.world.unread.append(account.id)


@pytest.fixture
def world() -> World:
    own = [account(i, created_at=NOW + i) for i in range(3)]
    return World([*own, account(9, user_id=OTHER)], [*(wallet(i) for i in range(4)), wallet(9, owner_id=OTHER)])


def page(
    world: World, filters: PortfolioFilter | None = None, *, admin: bool = False, patience: float = 20, **given: Any
) -> Portfolios:
    access, wallets, telemetry = FakeAccess(world), FakeWallets(world), FakeTelemetry(world)
    reader = PortfolioReader(world, access, world, wallets, telemetry, world.audit, lambda: NOW, Decimal(1), patience)
    limit, offset = given.get("limit", 50), given.get("offset", 0)
    return reader.page(Actor(USER, admin), filters or PortfolioFilter(), limit, offset)


MINE = [account(i).id for i in range(3)] + [wallet(i).id for i in range(4)]


@pytest.mark.parametrize("admin", [False, True])
def test_the_list_has_the_callers_accounts_and_then_their_wallets(world: World, admin: bool) -> None:
    found = page(world, admin=admin)
    assert [row.id for row in found.rows] == MINE
    assert [row.venue for row in found.rows] == ["BINANCE"] * 3 + ["FERMATA"] * 4
    assert (found.total, found.has_next) == (7, False)
    assert [row.summary.equity for row in found.rows] == [100] * 3 + [7] * 4


@pytest.mark.parametrize("limit", range(1, 9))
@pytest.mark.parametrize("count", [7, 3])
def test_pages_make_up_the_whole_list(world: World, limit: int, count: int) -> None:
    world.wallets = world.wallets[: count - 3]
    seen: list[str] = []
    while True:
        found = page(world, limit=limit, offset=len(seen))
        seen += [row.id for row in found.rows]
        assert found.total in (None, count)
        if not found.has_next:
            break
        assert len(found.rows) == limit
    assert seen == MINE[:count]
    assert found.total == count


def test_a_page_of_large_portfolios_ends_early_and_the_next_one_continues(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("purser.pages.MOST_BYTES", 2500)
    seen: list[str] = []
    found = page(world)
    while found.has_next:
        assert len(found.rows) == 2
        seen += [row.id for row in found.rows]
        found = page(world, offset=len(seen))
    assert [*seen, *(row.id for row in found.rows)] == MINE


def test_the_size_of_a_portfolio_is_no_less_than_on_the_wire() -> None:
    amount = Decimal("12345678901.123456789")
    row = Balance("1000000MOGUSDT", amount, amount, amount)
    positions = (replace(POSITION, symbol="1000000MOG/USDT", contracts=amount, unrealized_pnl=-amount),) * 50
    large = Portfolio(account(1).id, "BINANCE", NOW, (row,) * 600, positions, error=e.ExchangeUnavailable())
    assert len(dump(portfolio_answer(large).model_dump())) <= large.size


def test_a_page_beyond_the_end_is_empty(world: World) -> None:
    found = page(world, offset=100)
    assert (found.rows, found.total, found.has_next) == ((), None, False)


def test_only_the_accounts_of_a_page_are_read(world: World) -> None:
    page(world, limit=1, offset=1)
    assert sorted(world.calls) == ["key 1", "prices"]


def test_a_list_can_be_filtered_by_venue(world: World) -> None:
    assert [row.id for row in page(world, PortfolioFilter(venue="BINANCE")).rows] == MINE[:3]
    assert [row.id for row in page(world, PortfolioFilter(venue="FERMATA")).rows] == MINE[3:]
    assert page(world, PortfolioFilter(venue="ELSEWHERE")) == Portfolios((), 0, has_next=False)
    found = page(world, PortfolioFilter(venue="BINANCE"), limit=2)
    assert (found.total, found.has_next) == (3, True)


def test_wallets_in_dollars_do_not_ask_the_exchange(world: World) -> None:
    page(world, PortfolioFilter(venue="FERMATA"))
    assert world.calls == []


@pytest.mark.parametrize("thing", [MINE[0], MINE[-1]])
def test_a_list_can_be_filtered_by_id(world: World, thing: str) -> None:
    assert [row.id for row in page(world, PortfolioFilter(thing)).rows] == [thing]
    assert page(world, PortfolioFilter(thing, venue="ELSEWHERE")).rows == ()
    assert page(world, PortfolioFilter(thing), offset=1).rows == ()


@pytest.mark.parametrize("foreign", [account(9).id, wallet(9).id])
def test_only_admins_see_another_users_portfolio(world: World, foreign: str) -> None:
    with pytest.raises(e.TradingAccountForbidden):
        page(world, PortfolioFilter(foreign))
    assert [row.id for row in page(world, PortfolioFilter(foreign), admin=True).rows] == [foreign]


def test_an_unknown_id_is_not_found(world: World) -> None:
    with pytest.raises(e.TradingAccountNotFound, match=account(77).id):
        page(world, PortfolioFilter(account(77).id))


def test_one_failing_account_does_not_affect_the_others(world: World) -> None:
    world.failing = {
        "key 0": e.ExchangeAuthorizationFailed(),
        "key 1": e.ExchangeRateLimited(retry_after=3),
        "key 2": RuntimeError("of our own"),
    }
    found = page(world)
    errors = [type(row.error) for row in found.rows[:3]]
    assert errors == [e.ExchangeAuthorizationFailed, e.ExchangeRateLimited, e.Unavailable]
    assert all(row.balances == () for row in found.rows[:3])
    assert [row.summary.leverage for row in found.rows] == [None] * 3 + [1] * 4
    assert [row.error for row in found.rows[3:]] == [None] * 4
    assert sorted(world.noted) == MINE[:3]
    assert world.unread == [MINE[2]]


def test_a_futures_account_has_its_positions(world: World) -> None:
    world.accounts[0] = replace(world.accounts[0], trade_type=TradeType.FUTURES)
    found = page(world).rows
    assert found[0].positions == (POSITION,)
    assert found[1].positions == ()


def test_without_prices_only_portfolios_that_need_them_fail(world: World) -> None:
    world.no_prices = e.ExchangeUnavailable()
    found = page(world)
    assert [type(row.error) for row in found.rows[:3]] == [e.ExchangeUnavailable] * 3
    assert [b.total for row in found.rows[:3] for b in row.balances] == [100] * 3
    assert [row.error for row in found.rows[3:]] == [None] * 4


def test_a_hanging_exchange_does_not_delay_the_answer(world: World) -> None:
    world.hangs = {"key 1"}
    found = page(world, patience=0.2)
    world.hanging.set()
    assert [type(row.error) for row in found.rows[:3]] == [type(None), e.ExchangeUnavailable, type(None)]
