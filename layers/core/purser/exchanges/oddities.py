"""Counting of answers that the exchange is not known to give."""

from __future__ import annotations

import json
import os
import sys
import time


def count_odd(metric: str, value: str, count: int = 1) -> None:
    """Count in a metric that the exchange answered something odd, and log it.

    It writes CloudWatch's embedded metric format, because only functions know Powertools.
    """
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Purser")
    described = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": metric, "Unit": "Count"}]}
    metadata = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]}
    line = {"level": "WARNING", "message": "odd answer of the exchange", "value": value, metric: count}
    sys.stdout.write(json.dumps(line | {"_aws": metadata}) + "\n")
