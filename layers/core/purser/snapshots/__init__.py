"""Daily balance snapshots: the value of each active trading account on each UTC day."""
