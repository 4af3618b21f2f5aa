"""The library keeps nothing between calls but what docs/threading.md lists: what detection answered, whether openat2
works here, the last error of each thread. Usage: check_globals.py OBJDUMP ARCHIVE"""

import re
import subprocess
import sys

ALLOWED = {
    ("simple.c", "last_error"),
    ("beneath.c", "openat2_answer"),
    ("detection.c", "cpu_kept"),
    ("detection.c", "cpu_state"),
    ("detection.c", "gpu_kept"),
    ("detection.c", "gpu_state"),
}
WRITABLE = re.compile(r"^\.(data|bss|tdata|tbss)(?!\.rel\.ro)|^\*COM\*$")
OBJECT = re.compile(r"^(?:.*/)?(\w+\.c)\.o:\s")
# address flags section <tab> size [visibility] name
SYMBOL = re.compile(r"^[0-9a-f]+ .{7} (\S+)\t[0-9a-f]+ +(?:\.hidden )?(\S+)$")


def writable_symbols(objdump, archive):
    listing = subprocess.run([objdump, "-t", archive], check=True, capture_output=True, text=True).stdout
    source = None
    for line in listing.splitlines():
        if match := OBJECT.match(line):
            source = match[1]
        elif (match := SYMBOL.match(line)) and WRITABLE.match(match[1]) and not match[2].startswith("."):
            yield source, match[2].split(".")[0]


def main():
    found = set(writable_symbols(*sys.argv[1:]))
    problems = [f"{source}: '{name}' outlives the call" for source, name in sorted(found - ALLOWED)]
    problems += [f"{source}: '{name}' is allowed, but not there" for source, name in sorted(ALLOWED - found)]
    print("\n".join(problems) or f"{len(found)} objects outlive a call")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
