"""The composition root, which puts adapters into services: a module for each domain.

A builder imports what it needs when it is first called, so that a function loads only what it uses. The result is
kept for the life of the process.
"""
