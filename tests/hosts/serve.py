"""``python -m tests.hosts.serve FOLDER HOSTS``: hosts for a process of another environment.

Writes a line of JSON with their URLs and the admin token when they are ready, and stops them at the
end of its input.
"""

import json
import sys
from pathlib import Path

from tests.hosts.hosts import cluster


def main() -> None:
    folder, hosts = sys.argv[1:]
    with cluster(Path(folder), hosts=int(hosts), workers=1) as own:
        urls = [host.url for host in own.hosts]
        sys.stdout.write(json.dumps({"urls": urls, "token": own.token}) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
