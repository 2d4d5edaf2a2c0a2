"""The command line: make run, make token and make invoke."""
