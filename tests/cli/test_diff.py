"""diff: what is here that the stored cache lacks."""

import os

from support import CommandTest, run_tests


class Diff(CommandTest):
    def test_nothing_new_is_exit_code_0(self):
        self.fill_local()
        self.ok("save")
        out, err = self.ok("diff")
        self.assertRegex(out, r"^nothing new: all of 3 files in /.*\.v1\.tar\.zst\n$")
        self.assertEqual(err, "")
        answer = self.json(0, "diff")
        self.assertEqual((answer["status"], answer["new_files"], answer["directories"]), ("SUCCESS", 0, []))
        self.assertEqual(answer["archive"], self.archive())

    def test_new_files_are_listed_by_directory_with_exit_code_8(self):
        self.fill_local()
        self.ok("save")
        self.fill_local({"new": b"123", "cc/one": b"1", "cc/two\n": b"22", "cc/dd/three": b"333"})
        out, err = self.ends(8, "diff")
        self.assertIn("inductor/cc  2 files, 0.0 MiB\n             1  one\n             2  two\\n\n", out)
        self.assertIn("4 new files, 0.0 MiB, in 3 directories: not in /", out)
        self.assertEqual(err, "")
        answer = self.json(8, "diff")
        self.assertEqual((answer["status"], answer["exit_code"], answer["new_files"]), ("SUCCESS", 8, 4))
        rows = {row["directory"]: (row["files"], row["bytes"], row["names"]) for row in answer["directories"]}
        self.assertEqual(rows, {"inductor": (1, 3, ["new"]), "inductor/cc": (2, 3, ["one", "two\n"]),
                                "inductor/cc/dd": (1, 3, ["three"])})
        self.assertEqual(self.ends(8, "diff", "-q"), ("", ""))

    def test_without_a_stored_cache_everything_is_new(self):
        self.fill_local()
        out, _ = self.ends(8, "diff")
        self.assertIn("there is none", out)
        self.assertIsNone(self.json(8, "diff")["archive"])

    def test_nothing_here_is_nothing_to_compare(self):
        out, _ = self.ok("diff")
        self.assertIn("(NOTHING_LOCAL)", out)
        self.ends(4, "diff", "--strict")

    def test_a_damaged_archive_is_exit_code_5(self):
        self.fill_local()
        self.ok("save")
        os.truncate(self.archive(), 1000)
        _, err = self.ends(5, "diff")
        self.assertIn("(CORRUPT)", err)


if __name__ == "__main__":
    run_tests()
