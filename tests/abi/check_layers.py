"""The rules of docs/architecture.md that a reader relies on: which folder may include which, and which library, call or
header occurs in which file only. Usage: check_layers.py SOURCE_FOLDER"""

import re
import sys
from pathlib import Path

# An include points to the same folder or to one with a lower number, never up and never across.
RANKS = {"base": 0, "fs": 1, "par": 1, "archive": 2, "env": 2, "settings": 3, "probe": 3, "cache": 4, "server": 5, "api": 6}
PUBLIC_HEADER = "b10transfer.h"
# Sees the public header and its own folder.
OUTSIDE = {"cli"}
# Makes unwanted calls compile errors, for which it includes their declarations first.
EXEMPT = {"base/banned.h"}

# Pattern over the code without comments -> files (or folders, with a slash) where it may occur.
ONLY_IN = {
    r"#\s*include\s*<zstd\w*\.h>": {"archive/zstd_codec.c"},
    r"#\s*include\s*<archive\w*\.h>": {"archive/tar_codec.c"},
    r"#\s*include\s*<jansson\.h>": {
        "archive/manifest.c", "archive/index.c", "archive/json_text.c", "archive/json_text.h", "cli/output.c"},
    r"#\s*include\s*<sodium\w*\.h>": {"base/digest.c", "base/random.c"},
    r"#\s*include\s*<(?:pthread|threads)\.h>": {"par/"},
    r"#\s*include\s*<dlfcn\.h>|\bdlopen\s*\(": {"env/", "server/probe_tls.c"},
    r"\b(?:secure_)?getenv\s*\(": {"settings/config.c", "cli/"},
    # the helper's process gets it as it is
    r"\benviron\b": {"settings/config.c", "env/gpu_helper.c", "cli/"},
    r"\bextern\s+(?!const\b)\w+": set(),
    r"\bgoto\b": set(),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.S)


def without_comments(text):
    return COMMENT_OR_TEXT.sub(lambda match: match[0] if match[0].startswith('"') else " ", text)


def without_texts(text):
    """Includes keep theirs: those in angle brackets matter below, those in quotes are checked before."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def may_stand(name, places):
    return any(name == place or (place.endswith("/") and name.startswith(place)) for place in places)


def check_include(root, name, target):
    folder = name.split("/")[0]
    if target == PUBLIC_HEADER:
        return None
    if "/" not in target:
        return f"include of \"{target}\" names no folder"
    if not (root / target).is_file():
        return f"include of \"{target}\", which does not exist"
    wanted = target.split("/")[0]
    if wanted == folder:
        return None
    if folder in OUTSIDE or wanted in OUTSIDE:
        return f"{folder}/ and {wanted}/ do not see each other"
    if wanted not in RANKS:
        return f"{wanted}/ is no layer"
    if RANKS[wanted] >= RANKS[folder]:
        return f"include of \"{target}\" points up or across from {folder}/"
    return None


def check_file(root, path):
    name = path.relative_to(root).as_posix()
    folder = name.split("/")[0]
    if folder not in RANKS and folder not in OUTSIDE:
        yield f"{name}: {folder}/ is no layer"
        return
    code = without_comments(path.read_text())
    for bracket, target in INCLUDE.findall(code):
        problem = check_include(root, name, target) if bracket == '"' else None
        if problem:
            yield f"{name}: {problem}"
    bare = without_texts(code)
    for pattern, places in ONLY_IN.items():
        found = re.search(pattern, bare)
        if found and name not in EXEMPT and not may_stand(name, places):
            yield f"{name}: '{found[0].strip()}' may occur in {', '.join(sorted(places)) or 'no file'} only"


def self_test(root):
    """The check must be able to fail."""
    assert check_include(root, "base/bytes.c", "cache/load.h"), "an include upwards passes"
    assert check_include(root, "cli/main.c", "base/bytes.h"), "the command sees the inside"
    assert not check_include(root, "cache/load.c", "base/bytes.h")
    assert re.search(next(iter(ONLY_IN)), "#include <zstd_errors.h>")
    assert "goto" not in without_comments("/* goto */ x // goto\n")


def main():
    root = Path(sys.argv[1])
    self_test(root)
    files = sorted(path for kind in ("*.c", "*.h") for path in root.rglob(kind))
    problems = [problem for path in files for problem in check_file(root, path)]
    seen = {}
    for path in files:
        other = seen.setdefault(path.name, path)
        if other is not path:
            problems.append(f"{path.relative_to(root)}: its name occurs twice in the tree")
    print("\n".join(problems) or f"{len(files)} files keep the layers")
    return 1 if problems or len(files) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
