"""The plans that users can have, and what each allows."""
