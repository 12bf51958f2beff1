"""The safeties, one file for each thing they protect."""
