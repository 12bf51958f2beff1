"""The gateway: sign-in, roles, the public API, the live stream and the page."""
