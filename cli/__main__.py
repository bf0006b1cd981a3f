"""`python -m cli` is `rts-agents`."""

if __name__ == "__main__":  # the server's processes import this module too, as their parent's, and need nothing of it
    from cli.main import main

    main()
