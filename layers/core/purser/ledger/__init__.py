"""Wallets, and the double-entry ledger that alone moves their balances."""
