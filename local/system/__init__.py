"""The whole system: its start, the machine that it needs, its own pages and its control endpoint."""
