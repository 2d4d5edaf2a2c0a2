"""Customers: individuals and businesses that a user or a machine manages. The accounts API calls them accounts."""
