"""A replica whose operations run in a process of their own, and what must hold after that process died."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile

# What a sweep knows by its name: unfinished files, locks, locks on their way in and out.
TEMPORARY = re.compile(r"\.[a-z0-9._-]+(\.[0-9a-f]{32}\.(tmp|lock-new|lock-old)|\.lock)$")
STAGING = re.compile(r"\.b10transfer-staging-[0-9a-f]{32}$")
ARCHIVE = re.compile(r"[a-z0-9._-]+\.v1\.tar\.zst$")
SET_ASIDE = re.compile(r"\.[a-z0-9._-]+\.[0-9a-f]{32}\.bad$")


class Broken(AssertionError):
    """A promise that did not hold."""


def require(condition, message):
    if not condition:
        raise Broken(message)


def snapshot(root):
    """Every entry below root: type, content digest or link target, executable bit, mtime of files and links."""
    entries = {}
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            stat = os.lstat(path)
            relative = os.path.relpath(path, root)
            if os.path.islink(path):
                entries[relative] = ("link", os.readlink(path), stat.st_mtime_ns)
            elif os.path.isdir(path):
                entries[relative] = ("directory",)
            else:
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                entries[relative] = ("file", digest, stat.st_mode & 0o100, stat.st_mtime_ns)
    return entries


def make_cache(root):
    """Every kind of member once or twice: small, empty, duplicate, large, duplicate of a large one, link, directories."""
    files = {
        "ab/cab1.py": b"import torch\n" * 50,
        "ab/cab2.py": b"import triton\n" * 70,
        "ab/empty.py": b"",
        "fxgraph/f1/entry": bytes(range(256)) * 40,
        "triton/k1/kernel.ttir": b"module { one text }\n" * 9,
        "triton/k2/kernel.ttir": b"module { one text }\n" * 9,
        "large/a.bin": bytes((i * i >> 7) & 255 for i in range(1_500_000)),
    }
    files["large/copy.bin"] = files["large/a.bin"]
    for name, content in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    os.makedirs(os.path.join(root, "empty"), exist_ok=True)
    os.symlink("cab1.py", os.path.join(root, "ab", "link"))


class Replica:
    def __init__(self, driver):
        self.driver = driver
        self.directory = tempfile.mkdtemp(prefix="b10fault.")
        self.saved = os.path.join(self.directory, "saved")
        self.local = os.path.join(self.directory, "place", "local")
        self.volume = os.path.join(self.directory, "volume")
        os.makedirs(self.volume)
        os.makedirs(os.path.dirname(self.local))
        make_cache(self.saved)
        self.expected = snapshot(self.saved)

    def close(self):
        shutil.rmtree(self.directory)

    def command(self, operation, threads, *settings):
        """`threads` 0: everything on the calling thread. `settings`: "KEY=VALUE"."""
        local = self.saved if operation == "save" else self.local
        return [self.driver, operation, local, self.volume, str(threads), *settings]

    def run(self, operation, threads=1, *settings):
        command = self.command(operation, threads, *settings)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        require(done.returncode in (1, 2, 3, 4), f"{operation}: exit {done.returncode}: {done.stderr}")
        return done.stdout.strip()

    def store_part(self):
        """An archive that lacks something of everything: what a save in mode merge adds to."""
        part = os.path.join(self.directory, "part")
        shutil.copytree(self.saved, part, symlinks=True)
        for name in ("large", "ab/cab2.py", "ab/link", "triton/k2", "empty"):
            path = os.path.join(part, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        self.clear_volume()
        command = [self.driver, "save", part, self.volume, "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        require(done.stdout.strip() == "SUCCESS OK", f"save of a part: {done.stdout} {done.stderr}")
        (name,) = os.listdir(self.volume)
        self.part = os.path.join(self.directory, name)
        os.replace(os.path.join(self.volume, name), self.part)

    def put_part(self):
        self.clear_volume()
        shutil.copy2(self.part, self.volume)

    def clear_volume(self):
        shutil.rmtree(self.volume)
        os.makedirs(self.volume)

    def clear_local(self):
        shutil.rmtree(os.path.dirname(self.local))
        os.makedirs(os.path.dirname(self.local))

    def fill_local(self):
        """What a server may have written before a load that must therefore move entries one by one."""
        os.makedirs(os.path.join(self.local, "locks"))
        with open(os.path.join(self.local, "locks", "one.lock"), "w"):
            pass

    def check_volume(self):
        """No archive or a whole one; nothing beside it that a sweep would not know by its name."""
        names = os.listdir(self.volume)
        archives = [name for name in names if ARCHIVE.match(name)]
        for name in names:
            require(name in archives or TEMPORARY.match(name), f"stranger on the volume: {name}")
        require(len(archives) <= 1, f"several archives: {archives}")
        if archives:
            outcome = self.run("verify")
            require(outcome == "SUCCESS OK", f"the archive under its name is not whole: {outcome}")

    def check_local(self):
        """Nothing, or every entry that is there is whole."""
        for name in os.listdir(os.path.dirname(self.local)):
            require(name == "local" or STAGING.match(name), f"stranger beside the destination: {name}")
        present = snapshot(self.local) if os.path.isdir(self.local) else {}
        for name, entry in present.items():
            if name.startswith((".b10transfer", "locks")):
                continue
            require(self.expected.get(name) == entry, f"partial or foreign entry: {name}")
        return present

    def check_saved_untouched(self):
        require(snapshot(self.saved) == self.expected, "a save changed the local cache")

    def is_unsigned(self, name):
        """A lock whose saver died before its name was in it: removed when it is old."""
        return name.endswith(".lock-new") and os.path.getsize(os.path.join(self.volume, name)) == 0

    def check_next_save_succeeds(self):
        outcome = self.run("save")
        require(outcome in ("SUCCESS OK", "SKIPPED ALREADY_SAVED"), f"next save: {outcome}")
        self.check_volume()
        left = [name for name in os.listdir(self.volume) if not ARCHIVE.match(name) and not self.is_unsigned(name)]
        require(not left or outcome != "SUCCESS OK", f"a save did not sweep what the dead left: {left}")

    def check_next_merge_completes(self):
        require(any(ARCHIVE.match(name) for name in os.listdir(self.volume)), "the archive is gone")
        outcome = self.run("save", 1, "B10_SAVE_MODE=merge")
        require(outcome in ("SUCCESS OK", "SKIPPED ALREADY_SAVED"), f"next merge: {outcome}")
        self.check_volume()
        self.clear_local()
        self.check_next_load_succeeds()

    def check_next_load_succeeds(self):
        outcome = self.run("load")
        require(outcome in ("SUCCESS OK", "SKIPPED LOCAL_PRESENT"), f"next load: {outcome}")
        present = {name: entry for name, entry in snapshot(self.local).items() if not name.startswith("locks")}
        require(present == self.expected, "the tree is not whole after the next load")
        left = [name for name in os.listdir(os.path.dirname(self.local)) if name != "local"]
        require(not left, f"staging of the dead was not swept: {left}")
