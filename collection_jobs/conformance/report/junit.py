"""JUnit XML of a report, for the test result pages of CI servers."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from collection_jobs.conformance.report.report import LawReport, Report, reproduce_command
from collection_jobs.conformance.spec.findings import Finding
from collection_jobs.conformance.spec.laws import LAWS

__all__ = ["junit_xml"]

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: Report) -> str:
    """Return the report as JUnit XML, with one test case per law.

    A broken law is a failure, and one that applies but was not checked is an error, so that neither
    looks like a success. A law that does not apply is skipped, with the reason. What the adapter
    does and does not declare is a property of the suite.
    """
    verdicts = [law.verdict for law in report.laws]
    suite = ET.Element(
        "testsuite",
        name=f"collection-jobs verify {report.target}",
        tests=str(len(verdicts)),
        failures=str(verdicts.count("broken")),
        errors=str(verdicts.count("not checked")),
        skipped=str(verdicts.count("not applicable")),
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("version", "profile", "seed"):
        ET.SubElement(properties, "property", name=name, value=str(getattr(report, name)))
    for claim in report.understated:
        value = f"{claim.capability}: {claim.how}; {claim.remedy}"
        ET.SubElement(properties, "property", name="understated", value=_printable(value))
    for law in report.laws:
        name = f"{law.id} {LAWS[law.id].title}"
        case = ET.SubElement(suite, "testcase", classname=report.target, name=name)
        _add_verdict(case, law, report.argument)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _told(finding: Finding, argument: str | None) -> str:
    """Return a finding as text: what is wrong, the calls, and how to reproduce it."""
    lines = [finding.message, *finding.history]
    if finding.token is not None:
        lines.append(f"reproduce: {reproduce_command(argument, finding.token)}")
    return "\n".join(lines)


def _add_verdict(case: ET.Element, law: LawReport, argument: str | None) -> None:
    if law.finding is not None:
        failure = ET.SubElement(case, "failure", message=_printable(law.finding.message))
        failure.text = _printable("\n\n".join(_told(one, argument) for one in law.findings))
    elif law.verdict == "not checked":
        ET.SubElement(case, "error", message=_printable(f"not checked: {law.reason}"))
    elif law.verdict == "not applicable":
        ET.SubElement(case, "skipped", message=_printable(f"not applicable: {law.reason}"))


def _printable(text: str) -> str:
    """Return the text without the characters that XML 1.0 cannot hold, not even escaped."""
    return _NOT_IN_XML.sub(lambda found: ascii(found[0])[1:-1], text)
