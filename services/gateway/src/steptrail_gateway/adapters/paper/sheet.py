"""A sheet to write on: fonts, styles, tables, the foot of every page. Text is plain: markup in it is shown as it is."""

import io
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Table

FONTS: Final = Path(__file__).parent / "fonts"
MARGIN: Final = 17 * mm
WIDTH: Final = A4[0] - 2 * MARGIN
FOOT: Final = 4 * mm
INK, MUTED, LINE, SHADE = (HexColor(code) for code in ("#1b2430", "#5a6475", "#d5d9e0", "#f0f2f5"))
TONES: Final = {
    "success": HexColor("#17724a"),
    "warning": HexColor("#8f5b00"),
    "not_yet": HexColor("#8f5b00"),
    "overdue": HexColor("#a84a06"),
    "stuck": HexColor("#a84a06"),
    "failed": HexColor("#c02328"),
    "timeout": HexColor("#c02328"),
    "error": HexColor("#7437ba"),
    "running": HexColor("#2f5bd7"),
    "retrying": HexColor("#2f5bd7"),
    "waiting": HexColor("#2f5bd7"),
}
"""The colours of the page in its light theme."""
SIGNS: Final = {
    "success": "✓",
    "failed": "✗",
    "timeout": "✗",
    "error": "!",
    "overdue": "◷",
    "stuck": "◷",
    "not_yet": "○",
    "warning": "▲",
    "skipped": "–",
    "cancelled": "–",
}
MOST_CELL: Final = 600
"""Characters of one cell; more is said to be cut."""


@cache
def styles() -> dict[str, ParagraphStyle]:
    """The styles by name; the fonts are read when the first report is printed."""
    for name, file in (("Text", "DejaVuSans"), ("Strong", "DejaVuSans-Bold"), ("Code", "DejaVuSansMono")):
        pdfmetrics.registerFont(TTFont(name, FONTS / f"{file}.ttf"))
    text = ParagraphStyle("text", fontName="Text", fontSize=8.5, leading=12, textColor=INK)

    def like(name: str, **changes: Any) -> ParagraphStyle:
        return ParagraphStyle(name, parent=text, **changes)

    return {
        "text": text,
        "fact": like("fact", fontSize=8, leading=11),
        "muted": like("muted", textColor=MUTED, fontSize=7.5, leading=10.5),
        "strong": like("strong", fontName="Strong"),
        "title": like("title", fontName="Strong", fontSize=12, leading=16),
        "verdict": like("verdict", fontName="Strong", fontSize=16, leading=21, spaceBefore=3, spaceAfter=8),
        "heading": like("heading", fontName="Strong", fontSize=12, leading=16, spaceBefore=16, spaceAfter=6),
        "step": like("step", fontName="Strong", fontSize=9.5, leading=13, spaceBefore=12, spaceAfter=3),
        "label": like("label", fontName="Strong", fontSize=7.5, leading=10, textColor=MUTED, spaceBefore=5),
        "code": like("code", fontName="Code", fontSize=7, leading=9.5),
    }


def plain(text: str) -> str:
    """Without what cannot be printed: control characters would end up as boxes, or break the file."""
    return "".join(char if char.isprintable() else " " for char in text)


def words(text: str, style: str = "text", tone: Any = None) -> Paragraph:
    """A paragraph of plain text."""
    colour = f' color="{tone.hexval().replace("0x", "#")}"' if tone is not None else ""
    return Paragraph(f"<font{colour}>{escape(plain(text))}</font>", styles()[style])


def cell(text: str, style: str = "text", tone: Any = None) -> Paragraph:
    """The same for a table, cut to what a row may hold."""
    return words(text if len(text) <= MOST_CELL else f"{text[: MOST_CELL - 1]}… (cut)", style, tone)


def lines(text: str, most: int, width: int) -> tuple[Paragraph, bool]:
    """The first lines of a text as it stands, and whether that is all."""
    found = text.splitlines()
    kept = [line.expandtabs(2)[:width] for line in found[:most]]
    whole = len(found) <= most and all(len(line.expandtabs(2)) <= width for line in found[:most])
    marked = "<br/>".join(escape(plain(line)).replace(" ", "\u00a0") or "\u00a0" for line in kept)
    return Paragraph(marked, styles()["code"]), whole


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], shares: Sequence[float]) -> Table:
    """A table over the whole width whose head is repeated on every page."""
    body = [[cell(title, "label") for title in head], *([_flowable(one) for one in row] for row in rows)]
    widths = [WIDTH * share / sum(shares) for share in shares]
    return Table(body, widths, repeatRows=1, splitInRow=1, style=[
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 5),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("BACKGROUND", (0, 0), (-1, 0), SHADE),
    ])  # fmt: skip


def facts(pairs: Sequence[tuple[str, str]]) -> Table:
    """Names and values in two columns of pairs."""
    cells = [part for name, text in pairs for part in (cell(name, "muted"), cell(text, "fact"))]
    cells += [""] * (-len(cells) % 4)
    rows = [cells[at : at + 4] for at in range(0, len(cells), 4)]
    widths = [WIDTH * share for share in (0.13, 0.37, 0.12, 0.38)]
    return Table(rows, widths, splitInRow=1, style=[
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ])  # fmt: skip


def status_cell(status: str, said: str) -> Paragraph:
    """The sign and the word of a state, in its colour."""
    return cell(f"{SIGNS.get(status, '●')} {said}", "strong", TONES.get(status, MUTED))


def document(story: Sequence[Flowable], *, title: str, foot: str, made_at: datetime) -> bytes:
    """The finished PDF. The same story makes the same bytes, but for the moment it was made at."""
    sink = io.BytesIO()

    def numbered(*args: Any, **kwargs: Any) -> Canvas:
        return _Numbered(*args, foot=plain(foot), **kwargs)

    template = BaseDocTemplate(
        sink,
        pagesize=A4,
        title=plain(title),
        author="Steptrail",
        creator="Steptrail",
        subject=f"printed {made_at.isoformat()}",
        lang="en",
        invariant=True,
    )
    height = A4[1] - 2 * MARGIN - FOOT
    frame = Frame(MARGIN, MARGIN + FOOT, WIDTH, height, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0)
    template.addPageTemplates(PageTemplate(frames=[frame]))
    template.build(list(story), canvasmaker=numbered)
    return sink.getvalue()


def _flowable(one: Any) -> Any:
    return cell(one) if isinstance(one, str) else one


class _Numbered(Canvas):  # type: ignore[misc]
    """Writes `page n of m` when m is known."""

    def __init__(self, *args: Any, foot: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._foot = foot
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - the library's name
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self.setFont("Text", 7)
            self.setFillColor(MUTED)
            self.drawString(MARGIN, MARGIN - 2 * mm, self._foot[:110])
            self.drawRightString(A4[0] - MARGIN, MARGIN - 2 * mm, f"page {number} of {len(self._pages)}")
            super().showPage()
        super().save()
