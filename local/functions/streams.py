"""Stream triggers: pass the records of a table's stream to a function, in order."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.cloud.template import Properties
from local.doubles.kit import files
from local.errors import LocalError
from local.functions.pool import Functions
from local.functions.stream_records import Record, as_lambda_has_it, matches

POLL_SECONDS, IDLE_SECONDS = 0.1, 1.0
"""The pause between two looks at a shard: the first after records came, and the last, as each is twice as long."""

RETRY_SECONDS = 0.5
MOST_DOUBLINGS = 6
READ_MAX = 1000
"""The records of one answer, as in DynamoDB."""

START = {"ShardIteratorType": "TRIM_HORIZON"}
"""The oldest record that a stream still has."""


class StreamTrigger:
    """An event source mapping: hands a stream's records to a function in batches, and resumes at its position.

    A failed batch is tried again: from the record that the function reports, or halved after an error if the mapping
    says so. Later records wait until it is done or given up. ``checkpoint`` is the file with the shard positions.
    """

    def __init__(
        self, clients: Mapping[str, Any], functions: Functions, function: str, mapping: Properties, checkpoint: Path
    ) -> None:
        self._dynamodb, self._streams, self._sqs = (clients[name] for name in ("dynamodb", "dynamodbstreams", "sqs"))
        self._functions = functions
        self._function = function
        self._arn = mapping["Stream"]
        self._table = self._arn.split("/")[1]
        self._batch_size = int(mapping.get("BatchSize") or 100)
        self._filters = [
            json.loads(each["Pattern"]) for each in (mapping.get("FilterCriteria") or {}).get("Filters", [])
        ]
        self._partial = "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or [])
        self._bisects = bool(mapping.get("BisectBatchOnFunctionError"))
        self._tries = _limit(mapping, "MaximumRetryAttempts") + 1
        self._oldest = _limit(mapping, "MaximumRecordAgeInSeconds")
        self._destination = ((mapping.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
        self._checkpoint = checkpoint
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start to read, in a thread."""
        threading.Thread(target=self._run, name=f"{self._function} {self._table}", daemon=True).start()

    def stop(self) -> None:
        """Stop reading. Unfinished records come again at the next start."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
                self._stopping.wait(IDLE_SECONDS)
            except (BotoCoreError, ClientError) as error:
                if not self._stopping.wait(RETRY_SECONDS):
                    text = f"{self._function}: {self._table}'s stream cannot be read: {error}"
                    print(text, file=sys.stderr, flush=True)

    def _follow(self) -> None:
        """Read each shard from its checkpoint. When a shard ends, read its successor."""
        stream = self._dynamodb.describe_table(TableName=self._table)["Table"]["LatestStreamArn"]
        shards = self._streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        done = files.read(self._checkpoint) or {}
        if done.get("shard") in [shard["ShardId"] for shard in shards]:
            while shards[0]["ShardId"] != done["shard"]:
                shards.pop(0)
        for shard in shards:
            after = done.get("sequence") if shard["ShardId"] == done.get("shard") else None
            self._read_shard(stream, shard["ShardId"], after)

    def _read_shard(self, stream: str, shard: str, after: str | None) -> None:
        place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after} if after else START
        iterator: str | None = self._iterator(stream, shard, place)
        pause = POLL_SECONDS
        while iterator and not self._stopping.is_set():
            try:
                answer = self._streams.get_records(ShardIterator=iterator, Limit=READ_MAX)
            except self._streams.exceptions.TrimmedDataAccessException:
                # The system was stopped for a day, or the shard was empty until now.
                iterator = self._iterator(stream, shard, START)
                self._stopping.wait(IDLE_SECONDS)
                continue
            iterator, records = answer.get("NextShardIterator"), answer["Records"]
            for start in range(0, len(records), self._batch_size):
                batch = records[start : start + self._batch_size]
                self._hand_on([as_lambda_has_it(record, self._arn) for record in batch], shard)
                if self._stopping.is_set():
                    return
                done = {"shard": shard, "sequence": batch[-1]["dynamodb"]["SequenceNumber"]}
                files.write_private(self._checkpoint, done)
            if records:
                pause = POLL_SECONDS
            else:
                self._stopping.wait(pause)
                pause = min(2 * pause, IDLE_SECONDS)

    def _iterator(self, stream: str, shard: str, place: dict[str, str]) -> str:
        try:
            found: str = self._streams.get_shard_iterator(StreamArn=stream, ShardId=shard, **place)["ShardIterator"]
        except self._streams.exceptions.TrimmedDataAccessException:
            found = self._iterator(stream, shard, START)
        return found

    def _hand_on(self, records: list[Record], shard: str) -> None:
        """Pass records to the function. Return when they are done or given up, or the system stops."""
        left = [record for record in records if not self._filters or any(matches(f, record) for f in self._filters)]
        size, tried = len(left), 0
        while left and not self._stopping.is_set():
            batch = left[:size]
            done, broken = self._invoke(batch)
            left = left[done:]
            if done == len(batch):
                size, tried = len(left), 0
                continue
            # As in Lambda, continue at a reported record, and halve a batch that broke the function.
            tried = 1 if done else tried + 1
            size = max(1, len(batch) // 2) if broken and self._bisects else len(batch) - done
            if tried >= self._tries or _age(left[0]) > self._oldest:
                self._put_aside(left[:size], shard)
                left, tried = left[size:], 0
                size = len(left)
            else:
                self._stopping.wait(RETRY_SECONDS * 2 ** min(tried - 1, MOST_DOUBLINGS))

    def _invoke(self, batch: list[Record]) -> tuple[int, bool]:
        """Return how many records are done, and whether the function broke."""
        try:
            result = self._functions.invoke(self._function, {"Records": batch})
        except LocalError as error:
            print(f"{self._function}: {error}", file=sys.stderr, flush=True)
            return 0, False
        if result.error:
            return 0, True
        answer = json.loads(result.output)
        named = (answer or {}).get("batchItemFailures") if self._partial else None
        if not named:
            return len(batch), False
        places = {record["dynamodb"]["SequenceNumber"]: i for i, record in enumerate(batch)}
        # An unknown name fails the whole batch.
        return min(places.get(each.get("itemIdentifier"), 0) for each in named), False

    def _put_aside(self, records: list[Record], shard: str) -> None:
        """Send the positions of these records to the destination. As in Lambda, their content is not sent."""
        print(f"{self._function}: {len(records)} changes of {self._table} given up", file=sys.stderr, flush=True)
        if self._destination:
            sequences = [record["dynamodb"]["SequenceNumber"] for record in records]
            info = {
                "shardId": shard,
                "startSequenceNumber": sequences[0],
                "endSequenceNumber": sequences[-1],
                "batchSize": len(records),
                "streamArn": self._arn,
            }
            url = self._sqs.get_queue_url(QueueName=self._destination.rpartition(":")[2])["QueueUrl"]
            self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"version": "1.0", "DDBStreamBatchInfo": info}))


def _limit(mapping: Properties, name: str) -> float:
    given = int(mapping.get(name, -1))
    return float("inf") if given < 0 else given


def _age(record: Record) -> float:
    return time.time() - float(record["dynamodb"]["ApproximateCreationDateTime"])
