"""Events: every change of state, told to whoever subscribes."""
