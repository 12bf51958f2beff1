"""The commands of who runs a server: up, down, check-config, keys, backup, restore, and the demo's shop by itself."""

import asyncio
import contextlib
import gc
import os
import signal
import time
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from steptrail_common.sealing import generate_keys

from steptrail_embedded import archive
from steptrail_embedded.cli.app import Data, err, out
from steptrail_embedded.cli.client import EXIT_USAGE, CommandFailed
from steptrail_embedded.paths import DEFAULT_DATA, DataFolder, write_private

STOP_PATIENCE_SECONDS = 30.0


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (up, down, check_config, keys, backup, restore):
        app.command()(command)
    app.command("demo-shop", hidden=True)(demo_shop)


def up(
    host: Annotated[str, typer.Option(help="The address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8080,
    data: Data = DEFAULT_DATA,
    demo: Annotated[bool, typer.Option(help="Also serve the demo shop and install its processes")] = True,
    demo_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the demo shop listens; 0 takes a free one")
    ] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser")] = False,
) -> None:
    """Start Steptrail, all in one process. The first start makes an administrator and prints a sign-in link."""
    gc.disable()  # importing makes much and drops little: without collections a start takes a fifth less time
    from steptrail_embedded.memory import spare_memory
    from steptrail_embedded.up import Options, run

    gc.freeze()  # modules stay: the one look for garbage before readiness would spend nearly all its time on them
    spare_memory()
    folder = DataFolder(data)
    folder.prepare()
    with folder.lock():
        options = Options(data=folder, host=host, port=port, demo=demo, demo_port=demo_port)
        run(options, lambda url, link: announce(url, link, open_page))


def announce(url: str, link: str | None, open_page: bool) -> None:
    """Say where the page is, and how to get in."""
    out.print(f"\nSteptrail is ready: [bold]{url}[/]", markup=True)
    if link:
        out.print(
            f"Sign in with this link (it works once, for 15 minutes):\n  [bold]{link}[/]", markup=True, soft_wrap=True
        )
    out.print("Stop with Ctrl+C.\n")
    if open_page:
        webbrowser.open(link or url)


def down(data: Data = DEFAULT_DATA) -> None:
    """Stop the server of this data folder; runs under way go on at the next start."""
    folder = DataFolder(data)
    process = folder.running_process()
    if process is None:
        out.print("Nothing runs with this data folder.")
        return
    os.kill(process, signal.SIGTERM)
    end = time.monotonic() + STOP_PATIENCE_SECONDS
    while folder.running_process() is not None:
        if time.monotonic() > end:
            raise CommandFailed(f"Process {process} has not stopped within {STOP_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.1)
    out.print("Stopped.")


def check_config(data: Data = DEFAULT_DATA) -> None:
    """Check settings and data folder without starting anything; what is wrong is named with what to do."""
    from steptrail_embedded.up import Options, compose

    folder = DataFolder(data)
    folder.prepare()
    compose(Options(data=folder))
    out.print("The configuration is valid.")


def keys(folder: Annotated[Path, typer.Argument(help="Where secrets.public and secrets.private are written")]) -> None:
    """Make the pair of keys that seals and opens secrets, for a distributed installation."""
    pair = generate_keys()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in (("secrets.public", pair.public), ("secrets.private", pair.private)):
        if (folder / name).exists():
            raise CommandFailed(f"{folder / name} exists: secrets sealed with it would be lost", EXIT_USAGE)
        write_private(folder / name, text)
    out.print("secrets.public is for catalog and notifier, secrets.private for crawler, dbprobe and notifier alone.")


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write, e.g. steptrail.tar.gz")], data: Data = DEFAULT_DATA
) -> None:
    """Write stores, evidence and keys into one archive, also while the server runs. It holds the private key."""
    folder = DataFolder(data)
    if not folder.root.is_dir():
        raise CommandFailed(f"{folder.root}: there is no such data folder", EXIT_USAGE)
    archive.write(folder, file)
    out.print(f"Written: {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive written by backup")], data: Data = DEFAULT_DATA
) -> None:
    """Restore an archive into an empty data folder."""
    folder = DataFolder(data)
    if folder.root.exists() and any(folder.root.iterdir()):
        raise CommandFailed(
            f"{folder.root} is not empty: choose another folder with --data, or move it away", EXIT_USAGE
        )
    archive.read(folder, file)
    out.print(f"Restored into {folder.root}")


def demo_shop(
    folder: Annotated[Path, typer.Option(help="Where the shop keeps its database and files")],
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8090,
    host: str = "127.0.0.1",
) -> None:
    """Serve the demo shop by itself, as a target of a distributed installation."""
    from steptrail_embedded.demo.serve import serve_shop

    err.print(f"Demo shop on http://{host}:{port}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_shop(folder, host, port))
