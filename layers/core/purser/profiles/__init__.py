"""Profiles: what users say of themselves."""
