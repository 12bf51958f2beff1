"""The page: files from memory, the application for every other address, nothing beside."""

import gzip
from pathlib import Path

import pytest
from starlette.datastructures import Headers
from steptrail_gateway.entrypoints.http.page import Page, belongs_to_api

HTML = {"accept": "text/html,*/*"}


@pytest.fixture
def page(tmp_path: Path) -> Page:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>Steptrail</title>")
    (static / "assets" / "index-BfX3k9_a.js").write_text("console.log(1);" * 200)
    (static / "manifest.webmanifest").write_text("{}")
    (tmp_path / "secret.txt").write_text("secret")
    return Page.read(static)


def test_index_is_asked_for_each_time(page: Page) -> None:
    answer = page.answer("GET", "/", Headers(HTML))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_hashed_files_are_kept_for_ever_and_sent_small(page: Page) -> None:
    """A browser asks once per release; what it asks for is compressed ahead of time."""
    answer = page.answer("GET", "/assets/index-BfX3k9_a.js", Headers({"accept-encoding": "gzip, br"}))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert gzip.decompress(bytes(answer.body)) == b"console.log(1);" * 200


def test_no_file_is_compressed_twice_and_none_before_it_is_asked_for_or_there_is_time(
    tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start does not wait for it, and once it is done no request does."""
    compressed, real = [], gzip.compress

    def counted(body: bytes, *given: int, **named: float) -> bytes:
        compressed.append(len(body))
        return real(body, *given, **named)

    monkeypatch.setattr(gzip, "compress", counted)
    again = Page.read(tmp_path / "static")
    assert compressed == []
    for _ in range(2):
        again.compress()
        answer = again.answer("GET", "/assets/index-BfX3k9_a.js", Headers({"accept-encoding": "gzip"}))
        assert answer.headers["content-encoding"] == "gzip"
    assert compressed == [3000]


def test_who_cannot_read_gzip_gets_the_file_as_it_was_built(page: Page) -> None:
    answer = page.answer("GET", "/assets/index-BfX3k9_a.js", Headers())
    assert "content-encoding" not in answer.headers
    assert bytes(answer.body) == b"console.log(1);" * 200
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.req("NFR-018")
def test_known_file_is_not_sent_again(page: Page) -> None:
    etag = page.answer("GET", "/", Headers(HTML)).headers["etag"]
    answer = page.answer("GET", "/", Headers({**HTML, "if-none-match": etag}))
    assert (answer.status_code, answer.body) == (304, b"")
    absurd = page.answer("GET", "/", Headers({**HTML, "if-none-match": "x" * 1_000_000 + etag}))
    assert absurd.status_code == 200


@pytest.mark.parametrize("path", ["/runs/0193", "/sign-in", "/processes/order-to-cash/edit"])
def test_addresses_of_the_application_open_it(page: Page, path: str) -> None:
    """A link somebody sent works, also on first sight."""
    assert b"<title>Steptrail" in bytes(page.answer("GET", path, Headers(HTML)).body)


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/..%2fsecret.txt", "/assets/../../secret.txt", "/assets/missing.js", "//etc/passwd"]
)
def test_nothing_beside_the_files_is_served(page: Page, path: str) -> None:
    """A path is looked up, never opened."""
    answer = page.answer("GET", path, Headers({"accept": "*/*"}))
    assert answer.status_code == 404
    assert b"secret" not in bytes(answer.body)


def test_ranges_are_ignored(page: Page) -> None:
    """Ten thousand ranges cost nothing."""
    ranges = {"range": "bytes=" + ",".join("0-1" for _ in range(10_000))}
    assert page.answer("GET", "/", Headers({**HTML, **ranges})).status_code == 200


def test_page_only_answers_reads(page: Page) -> None:
    assert page.answer("POST", "/", Headers(HTML)).status_code == 405


def test_page_that_is_not_built_says_how(tmp_path: Path) -> None:
    answer = Page.read(tmp_path / "nowhere").answer("GET", "/", Headers(HTML))
    assert answer.status_code == 200
    assert b"make ui" in bytes(answer.body)


@pytest.mark.parametrize("path", ["/api", "/api/v1/runs", "/api/", "/healthz", "/readyz"])
def test_api_paths_are_the_applications(path: str) -> None:
    assert belongs_to_api(path)


@pytest.mark.parametrize("path", ["//api//runs", "/API/v1/runs", "/apis", "/", "/healthz/x"])
def test_look_alikes_are_the_pages(path: str) -> None:
    assert not belongs_to_api(path)
