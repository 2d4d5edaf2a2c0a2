"""Enforcement of plans: suspends what a plan does not allow, and resumes it when a plan allows it again."""
