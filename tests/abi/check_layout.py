"""Struct layouts and values are those of layout.txt, and layout.c forgets no member of the header.
Usage: check_layout.py LAYOUT_PROGRAM LAYOUT_TXT HEADER"""

import difflib
import re
import subprocess
import sys
from pathlib import Path


def members(header):
    text = re.sub(r"/\*.*?\*/", " ", Path(header).read_text(), flags=re.S)
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\}", text, re.S):
        for declaration in body.split(";"):
            words = re.findall(r"\w+", re.sub(r"\[.*?\]", "", declaration))
            if words:
                yield f"{name}.{words[-1]} "
    for body in re.findall(r"typedef enum \w+ \{(.*?)\}", text, re.S):
        yield from (f"{name} " for name in re.findall(r"\b(B10_\w+) =", body) if not name.endswith("FORCE32"))


def main():
    program, expected_path, header = sys.argv[1:]
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    expected = Path(expected_path).read_text()
    names = list(members(header))
    forgotten = [name for name in names if f"\n{name}" not in "\n" + printed]
    print("\n".join(f"layout.c forgets {name}" for name in forgotten))
    print("\n".join(difflib.unified_diff(expected.splitlines(), printed.splitlines(), expected_path, program)))
    return 1 if forgotten or printed != expected or len(names) < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
