"""Request and answer models of the accounts API."""
