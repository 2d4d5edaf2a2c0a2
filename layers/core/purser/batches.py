"""Batches of SQS messages, whose failed messages are delivered again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from purser.correlation import KEY, correlated
from purser.errors import PurserError
from purser.retrying import delay_after
from purser.work.model import Delivery

Work = Callable[[dict[str, Any], Delivery], None]

logger = Logger()


RETURN_AFTER_S = 15
"""The time from a function's time limit until its messages come again. The leases of their items are over by then."""


class Postponing(Protocol):
    """The queue of the messages."""

    def postpone(self, receipt_handles: Sequence[str], seconds: float) -> None:
        """Hide received messages, ten at most, for so many seconds before they are delivered again."""


class Context(Protocol):
    """The context of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left until the function is killed, in ms."""


def work_batch(event: dict[str, Any], context: Context, queue: Postponing, work: Work) -> dict[str, Any]:
    """Work on each message of an event, and return Lambda's partial batch response.

    ``work`` takes a message's body and its delivery. A message whose work fails is delivered again after the error's
    ``retry_after``, else after a delay that grows with each delivery. Log lines have the message's correlation id.

    If the function is killed, its messages come again soon after its time limit. The visibility time-out of their queue
    is six times as long, as AWS recommends, since Lambda may keep messages back before it invokes the function.
    """
    handles = [record["receiptHandle"] for record in event["Records"]]
    _postpone(queue, handles, context.get_remaining_time_in_millis() / 1000 + RETURN_AFTER_S)

    def handle(record: SQSRecord) -> None:
        attempt = int(record.attributes.approximate_receive_count)
        returns_in_ms = context.get_remaining_time_in_millis() + RETURN_AFTER_S * 1000
        delivery = Delivery(attempt, int(record.attributes.sent_timestamp), returns_in_ms)
        try:
            message = record.json_body
            logger.append_keys(correlation_id=message.get(KEY))
            with correlated(message.get(KEY)):
                work(message, delivery)
        except Exception as error:
            _log(record, attempt, error)
            _postpone(queue, [record.receipt_handle], delay_after(error, attempt))
            raise
        finally:
            logger.remove_keys(["correlation_id"])

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response = process_partial_response(event=event, record_handler=handle, processor=processor)
    return dict(response)


def _log(record: SQSRecord, attempt: int, error: Exception) -> None:
    extra = {"job": record.body, "attempt": attempt, "error": type(error).__name__}
    if isinstance(error, PurserError):
        logger.warning("message will be delivered again", extra=extra)
    else:
        logger.error("message will be delivered again", extra=extra, exc_info=error)


def _postpone(queue: Postponing, receipt_handles: Sequence[str], seconds: float) -> None:
    try:
        queue.postpone(receipt_handles, seconds)
    except Exception as error:
        # They are delivered again anyway, after their visibility time-out.
        logger.warning("messages could not be postponed", extra={"error": type(error).__name__})
