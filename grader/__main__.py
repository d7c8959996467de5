"""Where the `grader` command begins. Worker processes import this again, and need none of the commands."""


def main() -> None:
    """Run a command."""
    try:
        from grader.cli import app

        app()
    except KeyboardInterrupt:  # commands say more; this was before one began
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
