"""The command line: the same API the page uses, from a terminal."""
