"""The notifier: rules and signed webhooks, retried until they are delivered."""
