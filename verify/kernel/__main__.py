"""``python -m verify.kernel FILE`` prints what a certificate proves.

Exit code 0 (bounds or undecided), 1 (rejected), 2 (no file named, or it cannot be read).
"""

import json
import os
import sys

from . import MAX_BYTES, check


def main(names: list[str]) -> int:
    """Check the one file named."""
    try:
        (name,) = names
        with open(name, "rb") as file:
            result = check(file.read(MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        why = "name one certificate: python -m verify.kernel FILE" if isinstance(error, ValueError) else error
        print(f"verify.kernel: {why}", file=sys.stderr)
        return 2
    try:
        print(json.dumps(result, indent=1), flush=True)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(result["outcome"] == "rejected")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
