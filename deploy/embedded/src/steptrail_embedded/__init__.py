"""Steptrail in one process: every service on an in-process bus, and the `steptrail` command line."""
