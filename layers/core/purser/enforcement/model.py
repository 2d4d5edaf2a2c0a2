"""The rules for the trading accounts and follows that a plan allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from purser.follows.model import Follow
from purser.plans.model import Plan
from purser.trading_accounts.model import TradingAccount, total_usd


@dataclass(frozen=True, slots=True)
class PlanUsage:
    """A user's connected trading accounts, oldest first, at a ``version`` of their set, and their follows."""

    version: int
    accounts: tuple[TradingAccount, ...]
    follows: tuple[Follow, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The suspension or resumption of a trading account or follow."""

    of: TradingAccount | Follow
    suspend: bool


def changes(usage: PlanUsage, plan: Plan | None) -> Iterator[Change]:
    """Return the changes that make the usage conform to the plan, accounts before their follows.

    The plan allows a number of accounts, the oldest first, active or not (contract.md, "Create key"). Other active ones
    are suspended, and those that would resume when their key is accepted stay inactive. Suspended ones among the
    allowed resume, oldest first, up to the plan's balance limit. Follows run if the plan has automated strategies and
    their account is not suspended. Other inactive accounts and follows stay so.
    """
    room = usage.accounts[: plan.max_api_key] if plan else ()
    back = _coming_back(room, plan)
    away = [account for account in usage.accounts if (account.active or account.resumes) and account not in room]
    yield from (Change(account, suspend=True) for account in away)
    yield from (Change(account, suspend=False) for account in back)
    waiting = [account for account in usage.accounts if account.suspended and account not in back]
    stopped = {account.id for account in (*away, *waiting)}
    for follow in usage.follows:
        runs = plan is not None and plan.strategy_automated and follow.trading_account_id not in stopped
        if runs and follow.suspended:
            yield Change(follow, suspend=False)
        if not runs and follow.active:
            yield Change(follow, suspend=True)


def _coming_back(room: tuple[TradingAccount, ...], plan: Plan | None) -> list[TradingAccount]:
    in_use = [account for account in room if not account.suspended]
    back: list[TradingAccount] = []
    for account in room:
        if plan and account.suspended and total_usd([*in_use, *back, account]) <= plan.max_balance_usd:
            back.append(account)
    return back
