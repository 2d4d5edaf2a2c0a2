"""Credentials: the API keys of users, with a life of their own; trading accounts use them."""
