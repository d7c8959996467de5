"""Where the `grader` command begins. Worker processes import this again, and need none of the commands."""


def main() -> None:
    """Run a command."""
    from grader.cli import app

    app()


if __name__ == "__main__":
    main()
