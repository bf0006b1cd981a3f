"""`python -m cli` is `rts-agents`."""

from cli.main import main

main()
