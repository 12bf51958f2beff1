"""Reporting: its own facts from events; run history, figures and exports."""
