"""Request and answer models of signals, modes and secrets."""
