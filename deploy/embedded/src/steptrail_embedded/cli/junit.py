"""A run as a JUnit report, so that a build server shows it beside its tests."""

from typing import Any
from xml.etree import ElementTree

FAILED = {"failed", "overdue", "not_yet", "timeout"}


def junit(run: dict[str, Any]) -> bytes:
    """One test suite per run, one test case per step."""
    suite = ElementTree.Element("testsuite", name=run["process_id"], tests=str(len(run["steps"])))
    for step in run["steps"]:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=step["name"],
            classname=run["process_id"],
            time=str(step.get("duration_seconds") or 0),
        )
        text = step.get("message") or step.get("reason") or step["status"]
        if step["status"] in FAILED:
            ElementTree.SubElement(case, "failure", message=text, type=step.get("failure_class") or step["status"])
        elif step["status"] == "error":
            ElementTree.SubElement(case, "error", message=text, type=step.get("failure_class") or "error")
        elif step["status"] in ("skipped", "cancelled"):
            ElementTree.SubElement(case, "skipped", message=text)
    for name, statuses in (("failures", FAILED), ("errors", {"error"}), ("skipped", {"skipped", "cancelled"})):
        suite.set(name, str(sum(step["status"] in statuses for step in run["steps"])))
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))
