"""The OpenAPI document of the three APIs, made from the functions themselves: ``python -m scripts.openapi``."""
