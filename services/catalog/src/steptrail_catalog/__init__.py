"""The catalog: process definitions, their revisions, and connections with sealed secrets."""
