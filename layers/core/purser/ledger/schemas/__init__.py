"""Request and answer models of wallets and the ledger."""
