"""Disconnecting: the open orders of a disconnected trading account are cancelled, then its credential destroyed."""
