"""What of a user's trading accounts and follows a plan allows: rules without an outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from purser.follows.model import Follow
from purser.plans.model import Plan
from purser.trading_accounts.model import TradingAccount, total_usd


@dataclass(frozen=True, slots=True)
class PlanUsage:
    """A user's connected trading accounts, oldest first, as of a ``version`` of their set, and what they follow."""

    version: int
    accounts: tuple[TradingAccount, ...]
    follows: tuple[Follow, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A trading account or a follow is suspended, or brought back."""

    of: TradingAccount | Follow
    suspend: bool


def changes(usage: PlanUsage, plan: Plan | None) -> Iterator[Change]:
    """What must change so that the usage is as the plan allows, accounts before their follows.

    The oldest accounts have the plan's room, active or not, as when one is connected (contract.md, "Create key"); an
    active one beyond it is suspended. A suspended one with room comes back, oldest first, as long as the accounts in
    use are worth no more than the plan allows. Follows run where the plan has automated strategies and their account
    is not suspended. Who is inactive for another reason stays so.
    """
    room = usage.accounts[: plan.max_api_key] if plan else ()
    back = _coming_back(room, plan)
    away = [account for account in usage.accounts if account.active and account not in room]
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
