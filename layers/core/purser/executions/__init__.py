"""Executions: how the signals of a strategy become orders of its followers."""
