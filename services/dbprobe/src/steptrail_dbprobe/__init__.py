"""The database probe: checks what a read-only query returns."""
