"""Portfolio: what trading accounts and wallets hold at this moment, in one list."""
