"""Run intents, and store their progress whatever happens at the exchange."""

from __future__ import annotations

from collections.abc import Callable

from purser.errors import ExchangeAuthorizationFailed, ExchangeBadRequest, ExchangeError, ExchangeUnavailable, NotFound
from purser.exchanges.model import ApiCredential
from purser.orders.intents import CERTAINTY_MS, LEASE_AFTER_MS, WATCH_AFTER_MS, Intent, OrderLock, State
from purser.orders.placing import Incomplete, Placement, Undone, Unprotected
from purser.orders.ports import IntentStore, OrderLockLost, Telemetry
from purser.ports import Access
from purser.trading_accounts.model import TradingAccount
from purser.work.model import Postponed

PlacementOf = Callable[[ApiCredential, Intent], Placement]
Act = Callable[[Placement], Intent]
Changed = Callable[[Intent, Intent], None]
"""A listener that gets an intent, and what it is about to be stored as. It is called again if that is cut."""


class IntentRunner:
    """The runner of new intents, and of those that were interrupted or are unknown. ``now`` gives Unix milliseconds.

    ``changed`` is told what becomes of an intent after the request that placed it.
    """

    def __init__(
        self,
        store: IntentStore,
        accounts: Access,
        placement: PlacementOf,
        telemetry: Telemetry,
        now: Callable[[], int],
        changed: Changed = lambda *_: None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._placement = placement
        self._telemetry = telemetry
        self._now = now
        self.changed = changed

    def run(
        self, account: TradingAccount, credential: ApiCredential, intent: Intent, lock: OrderLock, deadline: int
    ) -> Intent:
        """Run a new intent that has its order lock. No entry is sent without time for its stop before ``deadline``.

        Returns:
            The intent, DONE or RESTING.

        Raises:
            ExchangeError: nothing of it is left at the exchange (FAILED), for this reason; or an exit could not be
                placed, and the venue refused to close the position, which has its stop (DONE or RESTING).
            ExchangeUnavailable: the same, or its state is unknown (UNKNOWN).
            ExchangeBadRequest: the same, or the stop and then the closing of the position were refused (UNKNOWN).
        """
        after, error = self._act(account, credential, intent, lambda placement: placement.place(deadline))
        return self._finish(after, lock, error)

    def end(
        self, account: TradingAccount, credential: ApiCredential, intent: Intent, lock: OrderLock, deadline: int
    ) -> Intent:
        """End a trade that is stored as closing, and return it, DONE.

        Raises:
            ExchangeError: the reconciler will end it.
        """
        after, error = self._act(account, credential, intent, lambda placement: placement.resume(deadline))
        self.changed(intent, after)
        return self._finish(after, lock, error)

    def _finish(self, after: Intent, lock: OrderLock, error: ExchangeError | None) -> Intent:
        self._leave(after, lock, error)
        if error is not None:
            raise error if after.state.is_final else _unknown(error)
        return after

    def withdraw(self, intent: Intent, lock: OrderLock) -> Intent:
        """End a new intent of which nothing was sent, and return it."""
        withdrawn = intent.failed(None, self._now())
        self._leave(withdrawn, lock, None)
        return withdrawn

    def reconcile(self, lock: OrderLock, deadline: int) -> tuple[Intent, OrderLock]:
        """Lease a lock that nobody works on, and bring its intent to a known state before ``deadline`` (Unix ms).

        An intent that stays unknown for its lifetime is given up, whatever the reason; one that rests, if the venue
        has refused its key for that long.

        Returns:
            The intent, and its lock, which is released unless the intent is RESTING. If it has failed and hands its
            lock back, the intent that gave way is reconciled and returned.

        Raises:
            OrderLockLost: another was first, or there is no such intent, and its lock is deleted.
            ExchangeError: the state is still unknown.
        """
        taken = lock.leased(deadline + LEASE_AFTER_MS)
        if not self._store.locks.advance(taken):
            raise OrderLockLost
        intent = self._store.get(lock.trading_account_id, lock.intent_id)
        if intent is None:
            self._telemetry.failed(lock.intent_id, LookupError(f"no intent {lock.intent_id} under its order lock"))
            self._store.locks.finish(taken)
            raise OrderLockLost
        try:
            account, credential = self._accounts.get(lock.user_id, lock.trading_account_id)
            after, error = self._act(account, credential, intent, lambda placement: placement.resume(deadline))
        except NotFound:
            return self._let_go(intent, taken)
        except Exception as failure:
            # An intent that rests has its stop, and whatever is wrong with it may be mended.
            if intent.state is State.RESTING or not intent.is_over_age(self._now()):
                raise
            self._telemetry.failed(intent.id, failure)
            return self._let_go(intent, taken)
        self.changed(intent, after)
        if error is not None and not after.state.is_final:
            if self._is_hopeless(after, error):
                self._telemetry.troubled(after, error)
                return self._let_go(after, taken)
            self._leave(after, taken, error)
            raise _unknown(error)
        if after.state is State.RESTING:
            after = after.at(State.RESTING, self._now())
        left = self._leave(after, taken, error)
        # One that has its lock back may have lost its stop meanwhile.
        return (after, left) if left.intent_id == after.id else self.reconcile(left, deadline)

    def _is_hopeless(self, intent: Intent, error: ExchangeError) -> bool:
        """Return whether to give up an intent that could not be reconciled.

        One that rests has its stop, and outlives an outage of any length. A key that is dead for a day stays dead.
        """
        if intent.state is State.RESTING and not isinstance(error, ExchangeAuthorizationFailed):
            return False
        return intent.is_over_age(self._now())

    def _act(
        self, account: TradingAccount, credential: ApiCredential, intent: Intent, act: Act
    ) -> tuple[Intent, ExchangeError | None]:
        """Return the intent after the act, and the error that it met."""
        try:
            with self._accounts.recording_key_status(account):
                try:
                    return act(self._placement(credential, intent)), None
                except (Undone, Incomplete, Unprotected) as end:
                    raise end.error from end
        except ExchangeError as error:
            match error.__cause__:
                case Undone(entry=entry):
                    return intent.failed(entry, self._now()), error
                case Incomplete(intent=left):
                    return left, error
                case Unprotected():
                    self._telemetry.unprotected(intent)
            # One that rests goes on resting: the symbol may hold by now what is not of it.
            return intent if intent.state is State.RESTING else intent.at(State.UNKNOWN, self._now()), error

    def _leave(self, intent: Intent, lock: OrderLock, error: ExchangeError | None) -> OrderLock:
        """Store the progress of an intent, and release its lock, hand it back or set when it is due again."""
        now = self._now()
        if error is not None:
            self._telemetry.troubled(intent, error)
        previous = self._replaced_by(intent) if intent.state is State.FAILED else None
        if previous is not None:
            back = lock.handed_back(previous.id, now)
            rests = previous.at(State.RESTING, now)
            self.changed(previous, rests)
            self._store.keep(rests, back, failed=intent)
            return back
        if intent.state.is_final:
            self._store.finish(intent, lock)
            return lock
        if error is None:
            left = lock.postponed(Postponed(now + WATCH_AFTER_MS, succeeded=True))
        else:
            # A request whose answer was lost may still arrive, and must not meet a successor.
            left = lock.left(now + CERTAINTY_MS)
        self._store.keep(intent, left)
        return left

    def _replaced_by(self, intent: Intent) -> Intent | None:
        """Return the intent that gave way to this one. Its entry may still rest, so it is looked after again."""
        return self._store.get(intent.trading_account_id, intent.replaces) if intent.replaces else None

    def _let_go(self, intent: Intent, lock: OrderLock) -> tuple[Intent, OrderLock]:
        """Give up an intent whose account is disconnected, or that could not be reconciled for its lifetime.

        Disconnecting an account also cancels its open orders, so a resting entry needs no further care. With a dead
        key, nothing can be done for one. A trade that should have been closed may still be open, so it is not DONE.
        """
        is_done = intent.state is State.RESTING and not intent.is_closing
        left = intent.at(State.DONE if is_done else State.ABANDONED, self._now())
        self.changed(intent, left)
        self._store.finish(left, lock)
        if not is_done:
            self._telemetry.abandoned(left)
        return left, lock


def _unknown(error: ExchangeError) -> ExchangeError:
    """Return the error for an unknown state, unless the key is dead or the venue has refused something."""
    known = isinstance(error, ExchangeAuthorizationFailed | ExchangeBadRequest)
    return error if known else ExchangeUnavailable()
