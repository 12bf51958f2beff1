"""The demo: a small shop as a real target on loopback, and the processes that check it."""
