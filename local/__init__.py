"""The whole of Purser on one machine: gateway, functions, AWS services and a paper exchange, all on loopback."""
