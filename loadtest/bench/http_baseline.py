"""The same HTTP server with an application that reads an upload and answers, and does nothing else.

python -m loadtest.bench.http_baseline PORT WORKERS
"""

import sys
from typing import Any

import uvicorn

from api.server.bounded import BoundedProtocol

ANSWER = b'{"received":5,"accepted":5,"duplicates":0,"rejected":[],"alerts_triggered":[]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer like an upload."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    uvicorn.run(
        "loadtest.bench.http_baseline:application", host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]),
        loop="uvloop", http=BoundedProtocol, access_log=False, server_header=False, log_level="warning", lifespan="off",
    )  # fmt: skip
