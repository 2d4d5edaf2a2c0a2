"""The audit trail: who changed what, and which administrator read whose data."""
