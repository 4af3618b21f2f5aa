"""`doctor`: verdicts in words and as an exit code, on volumes that are fit and on volumes that are not."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))

import volume
from support import DOCS, CommandTest, run_tests, unittest

FAULTFS = os.environ.get("B10_FAULTFS", "none")


class Doctor(CommandTest):
    def test_a_fit_volume_is_exit_code_0(self):
        out, err = self.ok("doctor")
        self.assertRegex(out, r"(?m)^OK +volume\.link ")
        self.assertTrue(out.endswith(f"{self.volume}: fit\n"), out)
        self.assertEqual(err, "")
        self.assertEqual(os.listdir(self.volume), [])

    def test_quiet_leaves_out_what_is_well(self):
        out, _ = self.ok("doctor", "--quiet")
        self.assertNotIn("OK ", out)
        self.assertIn(": fit\n", out)

    def test_a_failed_check_is_exit_code_7_with_status_success(self):
        answer = self.json(7, "doctor", "--set", f"B10FS_CACHE_DIR={self.scratch}/absent/cache")
        self.assertEqual((answer["status"], answer["reason"], answer["verdict"]), ("SUCCESS", "OK", "FAIL"))
        out, err = self.ends(7, "doctor", "--set", f"B10FS_CACHE_DIR={self.scratch}/absent/cache")
        self.assertIn("not fit, 1 check failed", out)
        self.assertEqual(err, "")

    def test_works_with_the_volume_off(self):
        answer = self.json(0, "doctor", environment={"BASETEN_FS_ENABLED": "0"})
        self.assertFalse(answer["b10fs_enabled"])

    def test_every_check_is_in_the_documentation(self):
        with open(os.path.join(DOCS, "json.md"), encoding="utf-8") as file:
            documented = file.read()
        for check in self.json(0, "doctor")["checks"]:
            name = check["name"]
            short = name[name.index("."):] if name.startswith("latency.") else name
            self.assertTrue(f"`{name}`" in documented or f"`{short}`" in documented, name)


@unittest.skipIf(FAULTFS == "none", "built without libfuse3")
@unittest.skipIf(os.environ.get(volume.NAMESPACE) != "entered", "no FUSE, or no mount namespaces for this user")
class FaultyVolume(CommandTest):
    def setUp(self):
        super().setUp()
        self.mounted = volume.Volume(FAULTFS, os.path.join(self.scratch, "fuse"))
        self.addCleanup(self.mounted.close)
        self.environment["B10FS_CACHE_DIR"] = self.mounted.path

    def judged(self, rule, code=0):
        """Check name -> its object, with that rule in force."""
        self.mounted.rules(*([rule] if rule else []))
        answer = self.json(code, "doctor")
        self.assertEqual(os.listdir(self.mounted.backing), [])
        return {check["name"]: check for check in answer["checks"]}

    def test_each_thing_that_a_volume_does_wrong_has_its_verdict(self):
        for rule, name, verdict in (
            (None, "volume.mount", "OK"),
            ("link 1 99 errno EPERM", "volume.link", "WARN"),
            ("fsync 1 99 errno EIO", "volume.fsync", "FAIL"),
            ("fsyncdir 1 99 errno EINVAL", "volume.fsync_directory", "WARN"),
            ("rename 1 99 errno EIO", "volume.rename", "FAIL"),
            ("read 1 1 flip 5000", "volume.read_back", "FAIL"),
            ("statfs 1 99 zero 0", "volume.space", "WARN"),
            ("statfs 1 99 avail 0", "volume.space", "OK"),  # the floor of these tests is 0
            ("create 1 99 errno ENOSPC", "volume.write", "FAIL"),
            ("fsync 1 99 delay 120", "latency.fsync", "WARN"),
        ):
            with self.subTest(rule):
                checks = self.judged(rule, 7 if verdict == "FAIL" else 0)
                self.assertEqual(checks[name]["verdict"], verdict, checks[name])

    def test_a_volume_that_hangs_is_a_time_out(self):
        self.mounted.rules("rename 1 99 hang 0")
        answer = self.json(6, "doctor", "--set", "B10_SAVE_TIMEOUT_SECONDS=1")
        self.assertEqual((answer["reason"], answer["checks"]), ("TIMEOUT", []))


if __name__ == "__main__":
    volume.enter_where_possible(FAULTFS)
    run_tests()
