"""The API documentation as a page, made of the OpenAPI document."""
