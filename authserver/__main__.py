"""The `authserver` command, also as `python -m authserver`."""

import sys

_NO_SERVER = """Error: The server needs {package}, which is not installed; the guard alone does not need it. Run:

    pip install "authserver[server]\""""


def main() -> None:
    """Run the command. If only the guard is installed, say what to install and exit with code 78."""
    try:
        from .cli import main as run

        run()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "authserver":
            raise
        print(_NO_SERVER.format(package=package), file=sys.stderr)
        sys.exit(78)


if __name__ == "__main__":
    main()
