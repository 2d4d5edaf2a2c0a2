"""Measurements of cold starts, routes, workers and the ledger. Run as ``python -m bench``.

Everything is measured next to a baseline in the same run. Compare the ratios, not the absolute figures.
"""
