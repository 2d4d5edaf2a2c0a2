"""Purser: the back end of a crypto-trading product."""

__version__ = "0.1.0"
