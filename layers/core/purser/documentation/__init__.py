"""The API documentation page."""
