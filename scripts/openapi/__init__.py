"""Generate the OpenAPI document of the three APIs from the functions: ``python -m scripts.openapi``."""
