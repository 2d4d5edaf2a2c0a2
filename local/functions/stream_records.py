"""Records of a table's stream, in the shapes of Lambda's event source mappings."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from local.cloud.account import REGION

Record = dict[str, Any]


def as_lambda_has_it(record: Mapping[str, Any], arn: str) -> Record:
    """Return a record of ``GetRecords`` as Lambda's event has it: JSON, times as numbers, bytes in Base64."""
    written = record["dynamodb"]
    images = {name: _attributes(written[name]) for name in ("Keys", "NewImage", "OldImage") if name in written}
    return {
        **{name: record[name] for name in ("eventID", "eventName", "eventVersion", "eventSource")},
        "awsRegion": REGION,
        "dynamodb": {
            **written,
            **images,
            "ApproximateCreationDateTime": int(written["ApproximateCreationDateTime"].timestamp()),
        },
        "eventSourceARN": arn,
    }


def _attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _attribute(value) for name, value in given.items()}


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    if not value:
        return {"M": {}}  # DynamoDB Local's streams, unlike its tables and AWS, show an empty map so
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {kind: base64.b64encode(content).decode()}
        case "BS":
            return {kind: [base64.b64encode(each).decode() for each in content]}
        case "M":
            return {kind: _attributes(content)}
        case "L":
            return {kind: [_attribute(each) for each in content]}
    return {kind: content}


def matches(pattern: Any, value: Any) -> bool:
    """Return whether a record passes a filter. Only equality and ``prefix`` are supported."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(matches(each, value.get(name)) for name, each in pattern.items())
    return any(
        isinstance(value, str) and value.startswith(each["prefix"]) if isinstance(each, dict) else value == each
        for each in pattern
    )
