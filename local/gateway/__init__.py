"""API Gateway on this machine: its REST APIs, their authorizers and throttles."""
