"""The one place where adapters are put into services: a module for each domain.

Each builder imports what it needs when it is called, so that a function loads only what it uses;
what it builds is kept for the life of the process.
"""
