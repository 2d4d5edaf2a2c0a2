"""Daily balance snapshots: what each active trading account was worth on each UTC day."""
