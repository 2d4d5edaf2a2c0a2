"""Credentials: the API keys of users, which trading accounts use."""
