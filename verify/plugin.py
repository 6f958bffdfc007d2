"""Pytest plugin: claims of a project become tests."""
