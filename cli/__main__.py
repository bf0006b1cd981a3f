"""`python -m cli` is `rts-agents`."""

from core.garbage import loading


def run() -> None:
    """Load the command line, then run it."""
    with loading():
        from cli.main import main
    main()


if __name__ == "__main__":  # server processes import this module too, as their parent's, and must not run it
    run()
