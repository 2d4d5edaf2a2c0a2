"""Queue and schedule triggers: pass messages to a function, or invoke it at set times."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud.account import REGION
from local.cloud.aws import Signal, has_messages
from local.cloud.template import Function, Properties
from local.errors import LocalError
from local.functions import schedules
from local.functions.pool import Functions
from local.functions.worker import Result

RECEIVE_MAX = 10
"""The messages of one call, as in SQS."""

IDLE_SECONDS = 1.0
"""The pause between checks for messages that became visible again. New messages are signalled at once."""

WINDOW_MAX_SECONDS = 0.5
"""The longest batching window here, because a person waits for the outcome."""

DEFAULT_CONCURRENCY = 4
NAP_SECONDS = 30
RETRY_SECONDS = (60, 120)
"""The pause before an asynchronous invocation is tried again, as in Lambda."""


class QueueTrigger:
    """An event source mapping that passes a queue's messages to a function in batches."""

    def __init__(self, sqs: Any, sent: Signal, functions: Functions, function: str, mapping: Properties) -> None:
        self._sqs = sqs
        self._sent = sent
        self._functions = functions
        self._function = function
        self._arn = mapping["Queue"]
        self._url = sqs.get_queue_url(QueueName=self._arn.rpartition(":")[2])["QueueUrl"]
        self._batch_size = int(mapping.get("BatchSize") or RECEIVE_MAX)
        self._window = min(float(mapping.get("MaximumBatchingWindowInSeconds") or 0), WINDOW_MAX_SECONDS)
        self._partial = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
        concurrency = int((mapping.get("ScalingConfig") or {}).get("MaximumConcurrency") or DEFAULT_CONCURRENCY)
        self._free = threading.Semaphore(concurrency)
        self._workers = ThreadPoolExecutor(concurrency, thread_name_prefix=f"{function} messages")
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start to take messages, in a thread."""
        threading.Thread(target=self._run, name=f"{self._function} queue", daemon=True).start()

    def stop(self) -> None:
        """Take no more messages. Do not wait for those in progress."""
        self._stopping.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._free.acquire()
            batch = self._collect()
            with suppress(RuntimeError):  # It was stopped meanwhile.
                self._workers.submit(self._work, batch)

    def _collect(self) -> list[Properties]:
        """Wait for messages until the batch is full or its window is over."""
        batch: list[Properties] = []
        ends = 0.0
        while not self._stopping.is_set() and len(batch) < self._batch_size:
            seen = self._sent.count
            found = self._receive(self._batch_size - len(batch))
            if found and not batch:
                ends = time.monotonic() + self._window
            batch += found
            left = ends - time.monotonic() if batch else IDLE_SECONDS
            if left <= 0:
                break
            if not found:
                self._sent.wait(seen, left)
        return batch

    def _receive(self, most: int) -> list[Properties]:
        if not has_messages(self._url):
            return []
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(RECEIVE_MAX, most),
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.wait(IDLE_SECONDS):
                print(f"{self._function}: its queue cannot be read: {error}", file=sys.stderr, flush=True)
            return []
        messages: list[Properties] = answer.get("Messages", [])
        return messages

    def _work(self, batch: list[Properties]) -> None:
        try:
            result = self._functions.invoke(self._function, {"Records": [self._record(each) for each in batch]})
            failed = _failed(result, batch, self._partial)
            done = [message for message in batch if message["MessageId"] not in failed]
            for start in range(0, len(done), RECEIVE_MAX):
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(done[start : start + RECEIVE_MAX])
                ]
                self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        except (LocalError, BotoCoreError, ClientError) as error:
            if not self._stopping.is_set():
                print(f"{self._function}: messages will come again: {error}", file=sys.stderr, flush=True)
        finally:
            self._free.release()

    def _record(self, message: Properties) -> Properties:
        attributes = message.get("MessageAttributes") or {}
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes") or {},
            "messageAttributes": {name: _attribute(value) for name, value in attributes.items()},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": REGION,
        }


def _attribute(value: Properties) -> Properties:
    lists: Properties = {"stringListValues": [], "binaryListValues": []}
    given = {key[0].lower() + key[1:]: each for key, each in value.items() if key in ("StringValue", "DataType")}
    return {**given, **lists}


def _failed(result: Result, batch: list[Properties], partial: bool) -> set[str]:
    """Return the ids of the messages that stay in the queue. As in Lambda, an invalid answer fails them all."""
    every = {message["MessageId"] for message in batch}
    if result.error:
        return every
    answer = json.loads(result.output)
    if not partial or not isinstance(answer, dict):
        return set()
    try:
        named = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or []}
    except (KeyError, TypeError):
        return every
    return every if named - every else named


class ScheduleTrigger:
    """A schedule of EventBridge Scheduler that invokes a function."""

    def __init__(self, asynchronous: Asynchronous, function: Function, properties: Properties) -> None:
        self._asynchronous = asynchronous
        self._function = function
        self._input = properties.get("Input") or "{}"
        self._expression = properties["ScheduleExpression"]
        self._next = schedules.parse(self._expression, properties.get("ScheduleExpressionTimezone") or "UTC")
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start to fire, in a thread. Missed firings are not made up for."""
        threading.Thread(target=self._run, name=f"{self._function.name} schedule", daemon=True).start()

    def stop(self) -> None:
        """Fire no more."""
        self._stopping.set()

    def _run(self) -> None:
        now = datetime.now(UTC)
        due = now if schedules.fires_at_once(self._expression) else self._next(now)
        while due:
            while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
                # In short naps, because a machine may sleep and its clock may be set.
                if self._stopping.wait(min(left, NAP_SECONDS)):
                    return
            self._fire(due)
            due = self._next(due)

    def _fire(self, due: datetime) -> None:
        context = {
            "scheduled-time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "execution-id": str(uuid.uuid4()),
            "attempt-number": "1",
        }
        text = self._input
        for name, value in context.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        self._asynchronous.invoke(self._function, json.loads(text))


class Asynchronous:
    """Asynchronous invocations: tried again when they fail, and then sent to a dead-letter queue."""

    def __init__(self, sqs: Any, functions: Functions) -> None:
        self._sqs = sqs
        self._functions = functions
        self._stopping = threading.Event()

    def invoke(self, function: Function, event: Any) -> None:
        """Run a function in a thread of its own."""
        threading.Thread(target=self._run, args=(function, event), name=f"{function.name} event", daemon=True).start()

    def stop(self) -> None:
        """Stop retrying."""
        self._stopping.set()

    def _run(self, function: Function, event: Any) -> None:
        config = function.properties.get("EventInvokeConfig") or {}
        retries = int(config.get("MaximumRetryAttempts", len(RETRY_SECONDS)))
        for delay in (*RETRY_SECONDS[:retries], None):
            try:
                if not self._functions.invoke(function.name, event).error:
                    return
            except LocalError as error:
                print(f"{function.name}: {error}", file=sys.stderr, flush=True)
            if delay is None or self._stopping.wait(delay):
                break
        target = (function.properties.get("DeadLetterQueue") or {}).get("TargetArn")
        if target and not self._stopping.is_set():
            url = self._sqs.get_queue_url(QueueName=target.rpartition(":")[2])["QueueUrl"]
            self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event))
