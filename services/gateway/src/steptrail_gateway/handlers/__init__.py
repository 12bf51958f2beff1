"""Use cases of the gateway: signing in, people and tokens, and passing work on to the services behind it."""
