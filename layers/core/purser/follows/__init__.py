"""Follows: which strategies a trading account follows, and at which risk."""
