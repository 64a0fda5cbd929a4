"""Schemas of request and response bodies, for validation and for the OpenAPI document."""
