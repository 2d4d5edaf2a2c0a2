"""Cancelling the open orders of a disconnected trading account, then destroying its credential."""
