"""Prints in a thread of its own, one report at a time: a large one takes a second of a core."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from steptrail_gateway.ports import RunReport


class PdfPrinter:
    """`Printer`. The library and the fonts are loaded by the first report."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="printer")

    async def run_report(self, report: RunReport) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _print, report)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _print(report: RunReport) -> bytes:
    from steptrail_gateway.adapters.paper.run_report import run_report

    return run_report(report)
