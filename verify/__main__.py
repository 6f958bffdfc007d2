"""``python -m verify`` and the installed script ``verify``."""

from verify.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
