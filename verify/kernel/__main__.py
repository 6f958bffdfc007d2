"""``python -m verify.kernel FILE`` prints what a certificate proves."""

import json
import sys

from . import MAX_BYTES, check

if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(json.dumps(check(file.read(MAX_BYTES + 1)), indent=1))
