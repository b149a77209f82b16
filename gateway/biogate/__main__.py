"""`python -m biogate` is the `biogate` command."""

from biogate.cli import main

if __name__ == "__main__":
    main()
