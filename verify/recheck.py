"""``python -m verify.recheck ARCHIVE``: the kernel alone, on the entries of an archive named on standard input.

One line of JSON per entry; the last line lists what was loaded of this project, so that the caller can see that it was
the kernel and nothing else.
"""

import json
import sys
import zipfile
from time import process_time

from verify.kernel import MAX_BYTES, check

__all__ = ["main"]


def main() -> None:
    """Check every entry that standard input names, one per line."""
    with zipfile.ZipFile(sys.argv[1]) as archive:
        for name in sys.stdin.read().splitlines():
            start = process_time()
            with archive.open(name) as entry:
                answer = check(entry.read(MAX_BYTES + 1))
            short = {key: answer[key] for key in ("outcome", "problem", "bounds", "reason")}
            print(json.dumps({"name": name, **short, "seconds": process_time() - start}), flush=True)
    loaded = sorted(name for name in sys.modules if name.partition(".")[0] in ("verify", "theory", "numpy", "scipy"))
    print(json.dumps({"loaded": loaded}), flush=True)


if __name__ == "__main__":
    main()
