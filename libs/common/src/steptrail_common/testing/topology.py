"""The processes of the distributed topology: one table for docker-compose.yml, deployments and the end-to-end tests."""

SERVICES = ("gateway", "catalog", "orchestrator", "crawler", "dbprobe", "reporting", "notifier")

SERVICE_COMMANDS: dict[str, list[str]] = {name: ["python", "-m", f"steptrail_{name}"] for name in SERVICES}
"""What starts each service; everything else is environment (`STEPTRAIL_…`, see each service's README)."""

REPLICATED = ("gateway", "orchestrator", "crawler", "dbprobe")
"""The services the tests run twice."""
