"""Safeties, each switched off alone in a copy of the sources: some test must go red (`make chaos-mutants`)."""
