"""Signals: what a strategy tells its followers to do, and what became of it."""
