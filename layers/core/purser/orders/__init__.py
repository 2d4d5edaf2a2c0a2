"""Orders of users and executions: planned as a set, placed step by step, reconciled until their state is known."""
