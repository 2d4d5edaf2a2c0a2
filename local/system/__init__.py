"""The whole system: its start, its requirements, its own pages and its control endpoint."""
