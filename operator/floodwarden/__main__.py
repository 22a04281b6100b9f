"""``python -m floodwarden`` and the ``floodwarden`` command."""

from floodwarden.cli.app import app


def main() -> None:
    app()


if __name__ == "__main__":
    main()
