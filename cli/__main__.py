"""`python -m cli` is `rts-agents`."""

if __name__ == "__main__":  # server processes import this module too, as their parent's, and must not run it
    from cli.main import main

    main()
