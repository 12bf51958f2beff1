"""Paths stay below their connection, credentials at their origin."""

import pytest
from steptrail_checks.port import CheckFailed
from steptrail_crawler.domain.address import checked_headers, join, origin, target

BASE = "https://api.example/v1/"


@pytest.mark.req("FR-013")
@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        (BASE, "/orders/1", "https://api.example/v1/orders/1"), (BASE, "orders/1", "https://api.example/v1/orders/1"),
        ("https://api.example", "/a?b=1", "https://api.example/a?b=1"), (BASE, None, BASE), (BASE, "/", BASE),
        ("https://api.example/?k=1", "/a?b=2", "https://api.example/a?k=1&b=2"), (BASE, "/a%2Fb", "https://api.example/v1/a%2Fb"),
        (BASE, "/a..b/c.d", "https://api.example/v1/a..b/c.d"), (BASE, "/a#frag", "https://api.example/v1/a"),
    ],
)  # fmt: skip
def test_a_path_is_appended_to_the_base(base: str, path: str | None, url: str) -> None:
    """Also without a leading slash, with queries on both sides, with encoded slashes inside a segment."""
    assert join(base, path) == url


@pytest.mark.req("NFR-012")
@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x", "/\\evil.example", "\\\\evil", "http://evil.example/", "https:evil", "javascript:x",
        "/../x",
        "/a/../../x", "/a/..", "/%2e%2e/x", "/%252e%252e/x", "/..%2fx", "/a/..;x/b", "/./x", "/%2e/x", "a\\..\\b",
    ],
)  # fmt: skip
def test_no_path_leaves_the_base(path: str) -> None:
    """Other hosts and climbing are refused in every spelling."""
    with pytest.raises(CheckFailed) as failed:
        join(BASE, path)
    assert failed.value.reason == "bad_target"


def test_credentials_belong_to_scheme_host_and_port() -> None:
    """The default port is a port too."""
    assert origin("https://A.example/x") == ("https", "a.example", 443)
    assert origin("http://a.example:443/") != origin("https://a.example/")


def test_a_step_names_one_target() -> None:
    """A url of its own, or a path below its connection; a url elsewhere never gets the connection's credentials."""
    assert target("https://x.example/", None, None) == "https://x.example/"
    assert target("https://api.example/x", BASE, None) == "https://api.example/x"
    for wrong in ((None, None, "/a"), ("https://x.example/", None, "/a"), ("https://evil.example/", BASE, None)):
        with pytest.raises(CheckFailed):
            target(*wrong)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"a b": "x"},
        {"X": "a\r\nB: c"},
        {"X": "☃"},
        {"": "x"},
        {"content-length": "5"},
        {"X": "a" * 9000},
    ],
)
def test_headers_cannot_smuggle(headers: dict[str, str]) -> None:
    """No line breaks, no framing headers."""
    with pytest.raises(CheckFailed):
        checked_headers(headers)
