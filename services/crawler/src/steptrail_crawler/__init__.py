"""The crawler: checks web pages, APIs and files."""
