"""`prune`: which archives go, which stay, and what goes with them."""

import json
import os
import shutil
import subprocess
import time

from support import COMMAND, CommandTest, run_tests

MIB = 1 << 20


class Prune(CommandTest):
    def setUp(self):
        super().setUp()
        self.fill_local({"k": os.urandom(1000)})
        self.ok("save")
        self.current = os.path.basename(self.archive())
        self.at(self.current, 50)
        for number, days in ((1, 1), (2, 10), (3, 40), (4, 100)):
            name = f"inductor-other-{number}.v1.tar.zst"
            with open(os.path.join(self.volume, name), "wb") as file:
                file.truncate(MIB)
            self.at(name, days)

    def at(self, name, days):
        then = time.time() - days * 86400
        os.utime(os.path.join(self.volume, name), (then, then))

    def left(self):
        return sorted("current" if name == self.current else name[len("inductor-other-"):-len(".v1.tar.zst")]
                      for name in os.listdir(self.volume) if not name.startswith("."))

    def test_by_age(self):
        out, _ = self.ok("prune", "--max-age", "30d")
        self.assertEqual(self.left(), ["1", "2", "current"])
        self.assertIn("removed 2.0 MiB of 5 caches\n", out)

    def test_by_number(self):
        self.ok("prune", "--keep", "2")
        self.assertEqual(self.left(), ["1", "2", "current"])
        self.ok("prune", "--keep", "1", "--include-current")
        self.assertEqual(self.left(), ["1"])

    def test_by_size_the_oldest_go_first(self):
        self.ok("prune", "--max-size", "3M")
        self.assertEqual(self.left(), ["1", "2", "current"])
        self.ok("prune", "--max-size", "1")
        self.assertEqual(self.left(), ["current"])

    def test_a_dry_run_removes_nothing_and_says_the_same(self):
        before = sorted(os.listdir(self.volume))
        dry = self.json(0, "prune", "--max-age", "30d", "--dry-run")
        self.assertEqual(sorted(os.listdir(self.volume)), before)
        self.assertEqual((dry["removed"], dry["chosen_bytes"], dry["dry_run"]), (0, 2 * MIB, True))
        self.assertEqual([entry["outcome"] for entry in dry["caches"]],
                         ["kept", "kept", "would be removed", "kept", "would be removed"])
        wet = self.json(0, "prune", "--max-age", "30d")
        self.assertEqual((wet["removed"], wet["removed_bytes"]), (2, 2 * MIB))
        self.assertEqual([entry["outcome"] for entry in wet["caches"]], ["kept", "kept", "removed", "kept", "removed"])

    def test_what_belongs_to_a_key_goes_with_it(self):
        hexes = "0123456789abcdef"
        for name in (f".inductor-other-4.{hexes * 2}.bad", f".inductor-other-4.suspect-{hexes}-01234567",
                     f".inductor-other-1.{hexes * 2}.bad", ".inductor-other-4.foreign"):
            open(os.path.join(self.volume, name), "wb").close()
        self.ok("prune", "--max-age", "60d")
        self.assertEqual(sorted(name for name in os.listdir(self.volume) if name.startswith(".")),
                         [f".inductor-other-1.{hexes * 2}.bad", ".inductor-other-4.foreign"])

    def test_what_somebody_saves_stays(self):
        self.fill_local({f"{number:03}/k": os.urandom(200000) for number in range(400)})
        environment = dict(self.environment, B10_ENVIRONMENT_KEY="inductor-other-4", B10_SAVE_MODE="replace",
                           B10_COMPRESSION_LEVEL="19", B10_THREADS="1")
        saver = subprocess.Popen([COMMAND, "save", "-q"], env=environment)
        self.addCleanup(saver.kill)
        lock = os.path.join(self.volume, ".inductor-other-4.lock")
        while not os.path.exists(lock) and saver.poll() is None:
            time.sleep(0.001)
        answer = self.json(0, "prune", "--max-age", "60d")
        self.assertEqual((answer["caches"][-1]["outcome"], answer["caches"][-1]["reason"]), ("busy", "IN_PROGRESS"))
        self.assertIn("4", self.left())
        saver.terminate()
        saver.wait()

    def test_who_reads_an_archive_reads_on(self):
        with open(os.path.join(self.volume, "inductor-other-4.v1.tar.zst"), "rb") as file:
            self.ok("prune", "--max-age", "60d")
            self.assertEqual(len(file.read()), MIB)
        self.assertNotIn("4", self.left())

    def test_usage(self):
        for arguments in ((), ("--dry-run",), ("--keep", "0"), ("--keep", "x"), ("--max-size", "10Q"), ("--max-age", "-1d"),
                          ("--max-size", "99999999999999999T")):
            self.ends(2, "prune", *arguments)
        self.ends(2, "list", "--keep", "1")
        self.assertEqual(len(self.left()), 5)

    def test_no_directory_is_nothing_to_do(self):
        shutil.rmtree(self.volume)
        answer = json.loads(self.ok("prune", "--keep", "1", "--json")[0])
        self.assertEqual((answer["total_caches"], answer["caches"]), (0, []))


if __name__ == "__main__":
    run_tests()
