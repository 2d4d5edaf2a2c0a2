"""The effects of time: everything that is due happens in order, each at its own time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from local.doubles.stripe import discounts, invoices
from local.doubles.stripe.account import Account, Object
from local.doubles.stripe.collecting import ENDED, collect, end
from local.doubles.stripe.periods import DAY, HOUR
from local.doubles.stripe.subscriptions import finalize_and_collect, item_of, settle, turn_period

Due = tuple[int, int, Callable[[Account, Object], object], Object]

INCOMPLETE_SECONDS = 23 * HOUR
TRIAL_NOTICE_SECONDS = 3 * DAY


def run(account: Account, until: int) -> None:
    """Let time pass until a moment, in Unix seconds. It never goes back."""
    while due := _first(account, until):
        moment, _, act, about = due
        account.now = max(account.now, moment)
        act(account, about)
    account.now = max(account.now, until)


def _first(account: Account, until: int) -> Due | None:
    every = [due for due in _all(account) if due[0] <= until]
    return min(every, key=lambda due: due[:2], default=None)


def _all(account: Account) -> Iterator[Due]:
    for discount in account.where("discount", _over=False):
        if discount["end"]:
            yield discount["end"], 0, discounts.remove, discount
    for subscription in account.all("subscription"):
        if subscription["status"] not in ENDED:
            yield from _of_subscription(subscription)
    for invoice in account.all("invoice"):
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"]:
            yield invoice["automatically_finalizes_at"], 3, finalize_and_collect, invoice
        if invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], 4, collect, invoice
    for session in account.where("checkout.session", status="open"):
        yield session["expires_at"], 5, expire_session, session


def _of_subscription(subscription: Object) -> Iterator[Due]:
    if subscription["status"] == "incomplete":
        yield subscription["created"] + INCOMPLETE_SECONDS, 0, _expire_incomplete, subscription
        return
    if subscription["status"] == "trialing" and not subscription["_trial_end_told"]:
        yield subscription["trial_end"] - TRIAL_NOTICE_SECONDS, 1, _tell_trial_end, subscription
    if subscription["cancel_at"]:
        yield subscription["cancel_at"], 0, _end_as_asked, subscription
    yield item_of(subscription)["current_period_end"], 2, turn_period, subscription


def _end_as_asked(account: Account, subscription: Object) -> None:
    settle(account, subscription)
    end(account, subscription, "cancellation_requested")


def _tell_trial_end(account: Account, subscription: Object) -> None:
    with account.changing(subscription):
        subscription["_trial_end_told"] = True
    account.emit("customer.subscription.trial_will_end", subscription)


def _expire_incomplete(account: Account, subscription: Object) -> None:
    end(account, subscription, None, "incomplete_expired")
    for invoice in invoices.latest_first(account, subscription):
        if invoice["status"] == "open":
            invoices.void(account, invoice)


def expire_session(account: Account, session: Object) -> None:
    """Expire an open checkout, so that nobody can pay in it."""
    with account.changing(session):
        session |= {"status": "expired", "url": None}
    account.emit("checkout.session.expired", session)
