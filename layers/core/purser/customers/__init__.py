"""Customers, which the accounts API calls accounts: individuals and businesses that a user or a machine manages."""
