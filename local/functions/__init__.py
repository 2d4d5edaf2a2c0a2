"""Lambda on this machine: the processes that run functions, and what triggers them."""
