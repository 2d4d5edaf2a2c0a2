"""Enforcement: what a user has follows the plan. What a plan takes away it gives back, and nothing else."""
