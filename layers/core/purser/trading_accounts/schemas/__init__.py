"""Request and answer models of trading accounts and credentials."""
