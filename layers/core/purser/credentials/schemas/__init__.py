"""Request and answer models of credentials."""
