"""Thin, typed, lazy adapters of the AWS services that Purser uses."""
