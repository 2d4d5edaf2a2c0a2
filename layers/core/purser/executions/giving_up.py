"""Give up a job that is dead: its followers get executions that say why the signal was not carried to them."""

from __future__ import annotations

from collections.abc import Callable

from purser.errors import ExchangeRateLimited, ExchangeUnavailable
from purser.executions.executor import NotSettled
from purser.executions.model import Execution, ExecutionJob, ExecutionStatus, SkipReason
from purser.executions.ports import ExecutionStore, JobStore, Signals
from purser.follows.model import Follower


class DeadJobs:
    """The use case. ``now`` gives Unix milliseconds."""

    def __init__(self, jobs: JobStore, executions: ExecutionStore, signals: Signals, now: Callable[[], int]) -> None:
        self._jobs = jobs
        self._executions = executions
        self._signals = signals
        self._now = now

    def give_up(self, job: ExecutionJob, error: Exception | None) -> None:
        """Store a FAILED execution for each follower that has none, and count the executions of the job, once.

        ``error`` ended the last attempt, None if it was killed. An execution that has begun is left to its intent.
        """
        signal = self._signals.get(job.strategy_id, job.signal_id)
        if signal is None or job.counted:
            return
        known, now = self._executions.known(job), self._now()
        cause = error.__cause__ if error else None
        failures = cause.failures if isinstance(cause, NotSettled) else {}

        def failed(follower: Follower) -> Execution:
            return Execution(
                signal_id=signal.id,
                job_id=job.id,
                strategy_id=job.strategy_id,
                follow_id=follower.follow_id,
                user_id=follower.user_id,
                trading_account_id=follower.trading_account_id,
                symbol=signal.symbol,
                created_at=now,
                updated_at=now,
                status=ExecutionStatus.FAILED,
                reason=_cause(failures.get(follower.follow_id, error)),
            )

        self._jobs.give_up(job, [failed(each) for each in job.followers if each.follow_id not in known])


def _cause(error: Exception | None) -> SkipReason:
    is_of_exchange = isinstance(error, ExchangeUnavailable | ExchangeRateLimited)
    return SkipReason.EXCHANGE_UNAVAILABLE if is_of_exchange else SkipReason.INTERNAL
