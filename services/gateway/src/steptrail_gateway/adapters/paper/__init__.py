"""Reports on paper, as PDF."""
