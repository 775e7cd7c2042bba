#!/usr/bin/env python3
"""Holds the lease of a list while a command runs: meanwhile tailfill writes nothing to the list's rows in HBase.

    hold.py --server 127.0.0.1:11211 --mapping followers --list 7 --for 5s -- COMMAND [ARGUMENT...]

Without a command it holds the list for the time of --for. Exit code: that of the command; 75 if the lease could not be
had within --wait, or did not stand until the end (then what the command read may have changed under it).
README.md beside this file says what a program that takes part must know.
"""
import argparse
import contextlib
import hashlib
import math
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
import zlib

# Memcache's clock has steps of one second, and an item may go up to a second early.
MARGIN = 2
TEMPORARY_FAILURE = 75


class Lease:
    """A list's lease, once acquire() has said yes; until the deadline at most."""

    def __init__(self, servers, mapping, list_key):
        digest = hashlib.sha256(list_key).hexdigest()
        self.key = f"tf1:{mapping}:{digest[:32]}".encode()
        self.token = f"hold.py:{uuid.uuid4().hex}".encode()
        self.deadline = None
        # with several servers tailfill asks this one, and no other when it is away
        host, port = servers[zlib.crc32(self.key) % len(servers)].rsplit(":", 1)
        self.connection = socket.create_connection((host, int(port)), timeout=5)
        self.replies = self.connection.makefile("rb")

    def acquire(self, seconds):
        """Takes the lease for so many seconds, unless somebody holds it."""
        expiry = math.ceil(seconds) + MARGIN
        # The server begins to count when it gets the request, so the deadline counts from before it is sent.
        self.deadline = time.monotonic() + expiry - MARGIN
        reply = self.ask(b"ms %b %d T%d ME\r\n%b" % (self.key, len(self.token), expiry, self.token))
        if reply not in (b"HD", b"NS"):
            raise OSError(f"memcached answered {reply!r} to an add")
        return reply == b"HD"

    def left(self):
        """Seconds until the deadline. Nothing that relies on the lease may be begun after it."""
        return self.deadline - time.monotonic()

    def release(self):
        """Gives the lease back. True if it stood until now: the token is in it only because acquire() put it there, so
        nobody else can have held it in between."""
        words = self.ask(b"mg %b v c" % self.key).split()
        if words[0] == b"EN":
            return False
        if words[0] != b"VA":
            raise OSError(f"memcached answered {words!r} to a read")
        token = self.replies.read(int(words[1]) + 2)[:-2]
        cas = next(word[1:] for word in words[2:] if word.startswith(b"c"))
        # between the read and this somebody else may have taken it: then the CAS is another, and theirs stays
        return token == self.token and self.ask(b"md %b C%b" % (self.key, cas)) == b"HD"

    def ask(self, command):
        self.connection.sendall(command + b"\r\n")
        reply = self.replies.readline()
        if not reply.endswith(b"\r\n"):
            raise OSError("memcached closed the connection")
        return reply[:-2]


def acquire(lease, seconds, wait):
    give_up = time.monotonic() + wait
    while not lease.acquire(seconds):
        if time.monotonic() >= give_up:
            say(f"somebody else has held {lease.key.decode()} for {wait:g} s")
            sys.exit(TEMPORARY_FAILURE)
        time.sleep(0.1)


def run(command, lease):
    """The command's exit code; None if it was ended because the lease ran out."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait(timeout=max(0, lease.left()))
        except subprocess.TimeoutExpired:
            return None
        finally:
            process.terminate()


def say(what):
    print(f"hold: {what}", file=sys.stderr, flush=True)


def seconds(text):
    return float(text.removesuffix("s"))


def arguments():
    parser = argparse.ArgumentParser(description="Holds the lease of a list while a command runs.")
    parser.add_argument("--server", action="append", required=True, metavar="HOST:PORT",
                        help="as in tailfill's lease.servers; several in the same order")
    parser.add_argument("--mapping", required=True, help="its name in tailfill's configuration")
    parser.add_argument("--list", type=int, required=True, help="a list key of one BIGINT UNSIGNED")
    parser.add_argument("--for", dest="seconds", type=seconds, default=5, help="at most so long; the default is 5s")
    parser.add_argument("--wait", type=seconds, default=30, help="for a lease that somebody else holds; the default is 30s")
    parser.add_argument("command", nargs="*")
    return parser.parse_args()


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the lease is given back
    lease = Lease(args.server, args.mapping, struct.pack(">Q", args.list))
    acquire(lease, args.seconds, args.wait)
    say(f"holds {lease.key.decode()} for {args.seconds:g} s at most")
    stood = False
    try:
        if args.command:
            code = run(args.command, lease)
        else:
            code = time.sleep(max(0, lease.left())) or 0
        in_time = code is not None
    finally:
        with contextlib.suppress(OSError):
            stood = lease.release()
    if not in_time:
        say("the time was over before the command ended, so it was ended")
    elif not stood:
        say("the lease vanished meanwhile: what was read may have changed, read it again")
    else:
        say("released; the list was left alone")
        sys.exit(code)
    sys.exit(TEMPORARY_FAILURE)


if __name__ == "__main__":
    main()
