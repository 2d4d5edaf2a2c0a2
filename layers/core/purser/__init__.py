"""Purser: the back end of a crypto-trading product."""
