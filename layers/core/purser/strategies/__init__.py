"""Strategies, their results day by day, and the risk profiles they are followed with."""
