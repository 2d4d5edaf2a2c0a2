"""Counting of what operators should know of the exchange: odd answers, refusals."""

from __future__ import annotations

import json
import os
import sys
import time


def count_odd(metric: str, value: str, count: int = 1) -> None:
    """Count in a metric that the exchange answered something that it is not known to answer, and log it."""
    report(metric, value, count, message="odd answer of the exchange")


def report(metric: str, value: str, count: int = 1, *, message: str = "the exchange's weight is limited") -> None:
    """Count in a metric, and log a warning.

    It writes CloudWatch's embedded metric format, because only functions know Powertools.
    """
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Purser")
    described = {"Namespace": namespace, "Dimensions": [["service"]], "Metrics": [{"Name": metric, "Unit": "Count"}]}
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]}
    service = os.environ.get("POWERTOOLS_SERVICE_NAME", "purser")
    line = {"level": "WARNING", "message": message, "service": service, "value": value, metric: count}
    sys.stdout.write(json.dumps(line | {"_aws": metadata}) + "\n")
