"""`steptrail`: every command, with errors as one line and the right exit code."""

import sys

import typer
from steptrail_common.errors import SteptrailError
from typer._click.exceptions import ClickException

from steptrail_embedded.cli import incidents, serving
from steptrail_embedded.cli.app import app, err
from steptrail_embedded.cli.client import EXIT_ERROR, EXIT_USAGE, CommandFailed

serving.register(app)
app.add_typer(incidents.app, name="incidents")


def main() -> None:
    """Run the command line. Wrong usage exits with 3, an error with 2."""
    try:
        code = app(standalone_mode=False)
    except CommandFailed as error:
        err.print(str(error), style="red", soft_wrap=True)
        code = error.code
    except SteptrailError as error:
        err.print(error.detail, style="red", soft_wrap=True)
        code = EXIT_ERROR
    except ClickException as error:
        error.show()
        code = EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    sys.exit(code or 0)


if __name__ == "__main__":
    main()
