"""Thin, typed adapters of AWS services, which connect on first use."""
