"""What every worker shares: the check port, the worker loop, assertions, captures and evidence."""
