"""Request and answer models of orders, positions and their history."""
