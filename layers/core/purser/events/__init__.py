"""Events: every change of state, published to subscribers."""
