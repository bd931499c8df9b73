"""Runs a Prefect server for as long as the process that asked for it lives.

The server's own parent may be killed in a way that leaves it no last word (SIGKILL). This process stands between: its
standard input is a pipe held by the one who asked, and when that closes, the whole process group ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(arguments: list[str]) -> int:
    """Starts `prefect server start` with arguments, waits for its end, and returns its exit code."""
    command = [sys.executable, "-m", "prefect", "server", "start", *arguments]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 our own interpreter
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return server.wait()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
