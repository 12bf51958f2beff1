"""The orchestrator: walks each run step by step; the only writer of run state."""
