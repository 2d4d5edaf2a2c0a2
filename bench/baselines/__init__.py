"""Baselines for the measurements of Purser."""
