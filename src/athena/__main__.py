"""The `athena` command."""

from __future__ import annotations

from athena.loading import no_collection


def main() -> None:
    with no_collection():
        from athena.cli.app import main as command
    command()


if __name__ == "__main__":
    main()
