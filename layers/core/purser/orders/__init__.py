"""Orders that users place by hand: planned as a set, placed step by step, and reconciled until they are known."""
