"""Real servers for every test that asks for one."""

pytest_plugins = ["steptrail_common.testing.plugin"]
