"""Manual orders: planned as a set, placed step by step, and reconciled until their state is known."""
