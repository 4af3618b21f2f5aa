"""The archive that docs/format.md shows byte by byte is one: this walks its tail by the document's rules alone, and the
command verifies it. Usage: check_format.py FORMAT_MD COMMAND"""

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

INDEX, MANIFEST, TABLE, ZSTD = 0x184D2A5B, 0x184D2A5C, 0x184D2A5E, 0xFD2FB528
TABLE_END = 0x8F92EAB1


def dumped_bytes(document):
    dump = re.search(r"```hexdump\n(.*?)```", document, re.S)[1]
    data = b""
    for line in dump.splitlines():
        offset = int(line[:8], 16)
        assert offset == len(data), f"the dump has a gap at {offset:#x}"
        data += bytes.fromhex(line[8:].split("|")[0])
    return data


def shown_json(document, heading):
    return re.search(heading + r".*?```\w*\n(.*?)```", document, re.S)[1]


def rows_of(data):
    count, descriptor, magic = struct.unpack("<IBI", data[-9:])
    size = 8 * count + 9
    assert (descriptor, magic) == (0, TABLE_END), "seek table's end"
    start = len(data) - size - 8
    assert struct.unpack("<II", data[start : start + 8]) == (TABLE, size), "seek table's header"
    rows = [struct.unpack("<II", data[start + 8 + 8 * i : start + 16 + 8 * i]) for i in range(count)]
    assert sum(row[0] for row in rows) == start, "the rows fill the file"
    return rows


def frames_of(data, rows):
    at = 0
    for size, _ in rows:
        yield data[at : at + size]
        at += size


def digest(data):
    return hashlib.blake2b(data, digest_size=32)


def check_payloads(frames, manifest):
    *data_frames, index, description = frames
    for frame, row in zip(data_frames, manifest["frames"], strict=True):
        assert struct.unpack("<I", frame[:4])[0] == ZSTD, "data frame's magic"
        assert [len(frame), digest(frame).hexdigest()] == [row[1], row[4]], "data frame"
    assert struct.unpack("<II", index[:8]) == (INDEX, len(index) - 8), "index's header"
    assert manifest["index"] == {"size": len(index) - 8, "digest": digest(index[8:]).hexdigest()}, "index"
    assert struct.unpack("<II", description[:8]) == (MANIFEST, len(description) - 8), "manifest's header"
    assert description[8:40] == digest(description[40:]).digest(), "manifest's digest"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = file.read()
    data = dumped_bytes(document)
    rows = rows_of(data)
    manifest = json.loads(shown_json(document, "The manifest, decompressed"))
    check_payloads(list(frames_of(data, rows)), manifest)
    assert [row[2] for row in manifest["frames"]] + [0, 0] == [row[1] for row in rows], "content sizes"
    lines = [json.loads(line) for line in shown_json(document, "The index, decompressed").splitlines()]
    assert len(lines) == sum(row[3] for row in manifest["frames"]), "members"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "demo.v1.tar.zst")
        with open(path, "wb") as file:
            file.write(data)
        subprocess.run([sys.argv[2], "verify", path], check=True)
        with open(path, "wb") as file:
            file.write(data[:100] + bytes([data[100] ^ 1]) + data[101:])
        assert subprocess.run([sys.argv[2], "verify", path]).returncode != 0, "a flipped bit is found"
    print(f"{len(data)} bytes, {len(rows)} frames, {len(lines)} members")


main()
