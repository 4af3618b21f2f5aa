"""What the library exports is what its version script, its header and tests/abi/symbols.txt say, and it is linked as
docs promise. Usage: check_symbols.py LIBRARY VERSION_SCRIPT HEADER SYMBOLS_TXT SHORT_NAMES(0|1) SOVERSION STATIC(0|1)"""

import re
import subprocess
import sys
from pathlib import Path

NODE = "B10TRANSFER_0"
DEPENDENCIES = {"libarchive.so.13", "libzstd.so.1", "libsodium.so", "libjansson.so.4"}
C_LIBRARY = re.compile(r"^(libc|libm|libpthread|ld-linux[\w-]*|ld-musl[\w-]*|libgcc_s)\.(so|musl)")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported(library):
    rows = [line.split() for line in output_of("nm", "-D", "--defined-only", library).splitlines()]
    return {row[2] for row in rows if row[1] != "A"}


def in_script(path):
    text = re.sub(r"#[^\n]*", "", Path(path).read_text())
    return set(re.findall(r"^\s+(\w+);", text.split("local:")[0], re.M))


def declared(header):
    text = re.sub(r"/\*.*?\*/", " ", Path(header).read_text(), flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return set(re.findall(r"\bB10_API\b[^;#]*?(\w+)\s*\(", text))


def listed(path):
    return {line.strip() for line in Path(path).read_text().splitlines() if line.strip() and not line.startswith("#")}


def differences(title, here, other, there):
    for name in sorted(here - there):
        yield f"{name}: in {title}, not in {other}"
    for name in sorted(there - here):
        yield f"{name}: in {other}, not in {title}"


def link_problems(library, soversion, is_static):
    dynamic = output_of("readelf", "-dW", library)
    soname = re.search(r"\(SONAME\).*\[(.*)\]", dynamic)
    if not soname or soname[1] != f"libb10transfer.so.{soversion}":
        yield f"SONAME is {soname and soname[1]}"
    for flag in ("NODELETE", "NOW"):
        if not re.search(rf"\bFlags:.*\b{flag}\b", dynamic):
            yield f"not linked with -z {flag.lower()}"
    for unwanted in ("TEXTREL", "RPATH", "RUNPATH"):
        if f"({unwanted})" in dynamic:
            yield f"has {unwanted}"
    if "GNU_RELRO" not in output_of("readelf", "-lW", library):
        yield "not linked with -z relro"
    for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
        known = C_LIBRARY.match(needed) or (not is_static and any(needed.startswith(d) for d in DEPENDENCIES))
        if not known:
            yield f"needs {needed}"


def main():
    library, script, header, symbols_txt, short_names, soversion, is_static = sys.argv[1:]
    expected = listed(symbols_txt)
    if short_names == "0":
        expected = {name for name in expected if name.startswith("b10_")}
    names = exported(library)
    declarations = declared(header) if short_names == "1" else {n for n in declared(header) if n.startswith("b10_")}
    versions = {f"{name}@@{NODE}" for name in expected}

    problems = list(differences("the library", {name.split("@")[0] for name in names}, "symbols.txt", expected))
    problems += differences("the library", names, "its version node", versions)
    problems += differences("the version script", in_script(script), "symbols.txt", expected)
    problems += differences("the header", declarations, "symbols.txt", expected)
    problems += link_problems(library, soversion, is_static == "1")
    if len(expected) < 23:
        problems.append("symbols.txt is incomplete")
    print("\n".join(problems) or f"{len(names)} symbols are exported as promised")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
