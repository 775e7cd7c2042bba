#!/usr/bin/env python3
"""Reads lists that tailfill wrote to HBase, without tailfill, through a Thrift2 gateway.

The mapping of this example is

    key = ["followee_id"]                                  BIGINT UNSIGNED
    item = ["follower_id"]                                 BIGINT UNSIGNED
    order = { by = "created_at", descending = true }       DATETIME(3)

with a column note, VARCHAR NULL. docs/formats.md says how every other type is written.
"""
import argparse
import collections
import datetime
import json
import os
import struct
import sys
import zlib

import msgpack
import thriftpy2
from thriftpy2.rpc import make_client

hbase = thriftpy2.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hbase.thrift"), "hbase_thrift")
EPOCH = datetime.datetime(1970, 1, 1)
DAY = 24 * 60 * 60 * 10**6  # in microseconds, the unit of dates in keys


# --- keys ------------------------------------------------------------------------------------------------------------


def unsigned(number):
    """
    >>> unsigned(7).hex()
    '0000000000000007'
    """
    return struct.pack(">Q", number)


def signed(number):
    """
    >>> signed(-1).hex(), signed(657).hex(), descending(signed(657)).hex()
    ('7fffffffffffffff', '8000000000000291', '7ffffffffffffd6e')
    """
    return struct.pack(">Q", number + 2**63)


def descending(part):
    return bytes(255 - byte for byte in part)


def microseconds(text):
    """
    >>> descending(signed(microseconds("2024-01-01 00:00:00.123"))).hex()
    '7ff9f228efdcff87'
    """
    return (datetime.datetime.fromisoformat(text) - EPOCH) // datetime.timedelta(microseconds=1)


class Table:
    """Where a list's items are.

    >>> row, qualifier = Table("tall", 16, None).address(7, 42, "2024-01-01 00:00:00.123")
    >>> row.hex(" ", 8)
    '0a 0000000000000007 7ff9f228efdcff87 000000000000002a'
    >>> row, qualifier = Table("wide", 16, 30).address(7, 42, "2024-01-01 00:00:00.123")
    >>> row.hex(" ", 8), qualifier.hex(" ", 8)
    ('0a 0000000000000007 7ffffffffffffd6e', '7ff9f228efdcff87 000000000000002a')
    """

    def __init__(self, layout, buckets, segment_days):
        self.wide = layout == "wide"
        self.buckets = buckets
        self.segment_days = segment_days

    def prefix(self, followee):
        """What all row keys of a list begin with."""
        key = unsigned(followee)
        return bytes([zlib.crc32(key) % self.buckets]) + key

    def address(self, followee, follower, created_at):
        """The row key of an item, and in the wide layout its qualifier."""
        row, moment = self.prefix(followee), microseconds(created_at)
        item = descending(signed(moment)) + unsigned(follower)
        if not self.wide:
            return row + item, None
        if self.segment_days:
            row += descending(signed(moment // (self.segment_days * DAY)))
        return row, item

    def rows(self, followee):
        """The first row key of a list, and the first one behind the list."""
        prefix = self.prefix(followee)
        if self.wide and not self.segment_days:
            return prefix, prefix + b"\0"  # one row, with just this key
        kept = prefix.rstrip(b"\xff")
        return prefix, kept[:-1] + bytes([kept[-1] + 1]) if kept else None


# --- items -----------------------------------------------------------------------------------------------------------


def item(part, columns):
    """part: order and item key, as row keys (tall) or qualifiers (wide) end."""
    moment, follower = struct.unpack(">QQ", descending(part[:8]) + part[8:])
    created_at = EPOCH + datetime.timedelta(microseconds=moment - 2**63)
    text = created_at.isoformat(sep=" ", timespec="milliseconds")
    return {"follower_id": follower, "created_at": text, "note": columns.get("note")}


def tall_item(result):
    # a cell without qualifier only says that the item is there
    return item(result.row[-16:], {cell.qualifier.decode(): cell.value.decode() for cell in result.columnValues})


def wide_items(result, value):
    columns = {
        "msgpack": msgpack.unpackb,
        "json": json.loads,
        "note": lambda text: {"note": text.decode()},  # value_column = "note"; empty where it is NULL
    }[value]
    return [item(cell.qualifier, columns(cell.value)) for cell in result.columnValues]


# --- reading ---------------------------------------------------------------------------------------------------------


class Reader:
    """One connection to a gateway. No call asks for more than 5,000 cells of a wide row, or 1,000 tall rows."""

    def __init__(self, client, name, family, table, value):
        self.client, self.name, self.table, self.value = client, name.encode(), table, value
        self.family = hbase.TColumn(family=family.encode())
        self.stats = collections.Counter(calls=0, results=0, cells=0)

    def scan(self, followee, wanted, reverse=False, columns=None, filter=None):
        """The results of a list's range, fetched as far as they are taken."""
        start, stop = self.table.rows(followee)
        if reverse:
            start, stop = stop, start  # neither is the key of a row
        # a row of the wide layout comes in results of so many cells
        batch = min(wanted, 500) if self.table.wide else None
        page = min(wanted, 1000) if not self.table.wide else 10
        scan = hbase.TScan(
            startRow=start,
            stopRow=stop,
            columns=columns or [self.family],
            caching=page,
            batchSize=batch,
            filterString=filter,
            reversed=reverse,
        )
        scanner = self.client.openScanner(self.name, scan)
        self.stats["calls"] += 2  # with closing it
        try:
            results = [None] * page
            while len(results) == page:
                results = self.client.getScannerRows(scanner, page)
                self.stats["calls"] += 1
                self.stats["results"] += len(results)
                self.stats["cells"] += sum(len(result.columnValues) for result in results)
                yield from results
        finally:
            self.client.closeScanner(scanner)

    def items(self, result):
        return wide_items(result, self.value) if self.table.wide else [tall_item(result)]

    def take(self, results, wanted):
        found = []
        for result in results:
            found += self.items(result)
            if len(found) >= wanted:
                break
        return found[:wanted]

    def latest(self, followee, wanted):
        return self.take(self.scan(followee, wanted), wanted)

    def first(self, followee, wanted):
        """The other end of the list, backwards."""
        if not self.table.wide:
            return self.take(self.scan(followee, wanted, reverse=True), wanted)
        # Rows can be had backwards, cells of a row cannot: a row is read to its end, and its last items are kept.
        # Without segments that is the whole list, page by page.
        found, row, last = [], None, []
        for result in self.scan(followee, wanted, reverse=bool(self.table.segment_days)):
            if result.row != row:
                found += reversed(last)
                if len(found) >= wanted:
                    return found
                row, last = result.row, collections.deque(maxlen=wanted - len(found))
            last.extend(self.items(result))
        return found + list(reversed(last))

    def count(self, followee):
        """None when the list is not counted yet."""
        return self.sum_counts(followee) if self.table.wide else self.count_rows(followee)

    def count_rows(self, followee):
        """Reads the whole list, though only its row keys: a tall list keeps no count."""
        return sum(1 for _ in self.scan(followee, 1000, filter=b"FirstKeyOnlyFilter() AND KeyOnlyFilter()"))

    def sum_counts(self, followee):
        """Reads one cell of each row: its count, c:n. A row that has none shows an item instead, since the family
        c comes before f: then the count pass is not through, and a sum would be too small."""
        columns = [hbase.TColumn(family=b"c", qualifier=b"n"), self.family]
        total = 0
        for result in self.scan(followee, 1, columns=columns, filter=b"FirstKeyOnlyFilter()"):
            cell = result.columnValues[0]
            if cell.family != b"c":
                return None
            total += struct.unpack(">Q", cell.value)[0]
        return total


# --- the command line ------------------------------------------------------------------------------------------------


def arguments():
    parser = argparse.ArgumentParser(description="Reads a list that tailfill wrote to HBase.")
    parser.add_argument("--gateway", default="127.0.0.1:9090", metavar="HOST:PORT", help="a Thrift2 gateway")
    parser.add_argument("--table", default="followers")
    parser.add_argument("--family", default="f")
    parser.add_argument("--layout", choices=["tall", "wide"], default="tall")
    parser.add_argument("--segment-days", type=int, help="wide: the width of a segment, if there are any")
    parser.add_argument("--value", choices=["msgpack", "json", "note"], default="msgpack", help="wide: what a cell holds")
    parser.add_argument("--buckets", type=int, default=16, help="salt_buckets")
    parser.add_argument("--list", type=int, required=True, metavar="FOLLOWEE")
    parser.add_argument("--stats", action="store_true", help="say on standard error what was read")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("latest", help="the N newest items, newest first").add_argument("n", type=int)
    commands.add_parser("first", help="the N oldest items, oldest first").add_argument("n", type=int)
    commands.add_parser("count", help="how many items there are")
    key = commands.add_parser("key", help="row key (and qualifier) of an item, in hexadecimal")
    key.add_argument("follower", type=int)
    key.add_argument("created_at")
    return parser.parse_args()


def main():
    args = arguments()
    table = Table(args.layout, args.buckets, args.segment_days)
    if args.command == "key":
        print(*(part.hex() for part in table.address(args.list, args.follower, args.created_at) if part))
        return
    host, port = args.gateway.rsplit(":", 1)
    reader = Reader(make_client(hbase.THBaseService, host, int(port)), args.table, args.family, table, args.value)
    if args.command == "count":
        count = reader.count(args.list)
        if count is None:
            sys.exit("not counted yet")
        print(count)
    else:
        for found in getattr(reader, args.command)(args.list, args.n):
            print(json.dumps(found, ensure_ascii=False))
    if args.stats:
        print(*(f"{number} {name}" for name, number in reader.stats.items()), sep=", ", file=sys.stderr)


if __name__ == "__main__":
    main()
