"""`run` on a volume that hangs: before the server starts, while its cache is saved, at the end."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))

import volume
from support import COMMAND, CTRL_Z, Terminal, run_tests, unittest
from test_run import RunTest, wait_for

FAULTFS = os.environ.get("B10_FAULTFS", "none")


@unittest.skipIf(FAULTFS == "none", "built without libfuse3")
@unittest.skipIf(os.environ.get(volume.NAMESPACE) != "entered", "no FUSE, or no mount namespaces for this user")
class HangingVolume(RunTest):
    def setUp(self):
        super().setUp()
        self.mounted = volume.Volume(FAULTFS, os.path.join(self.scratch, "fuse"))
        self.addCleanup(self.mounted.close)
        self.environment.update(B10FS_CACHE_DIR=self.mounted.path, B10_LOAD_TIMEOUT_SECONDS="1",
                                B10_SAVE_TIMEOUT_SECONDS="1")

    def test_the_server_starts_after_the_time_out_of_the_load(self):
        self.mounted.rules("* 1 999999 hang 0")
        began = time.monotonic()
        out, err = self.ends(42, "run", "--report", self.report, "--", "sh", "-c", "echo started; exit 42", timeout=30)
        self.assertLess(time.monotonic() - began, 4)
        self.assertEqual(out, "started\n")
        self.assertEqual(self.told()["load"]["reason"], "TIMEOUT")
        self.assertLess(self.told()["start_seconds"], 3)

    def test_a_volume_that_hangs_later_does_not_hold_the_end(self):
        process = self.start(*self.server("--files", "3", "--seconds", "0.1"))
        self.wait_until_said("wait: the server is ready")
        self.mounted.rules("* 1 999999 hang 0")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.wait(timeout=60)
        self.assertLess(time.monotonic() - began, 6)
        self.assertEqual(process.returncode, 143)

    def test_a_signal_ends_a_load_that_hangs(self):
        self.environment["B10_LOAD_TIMEOUT_SECONDS"] = "60"
        self.mounted.rules("* 1 999999 hang 0")
        process = self.start("echo", "started")
        self.mounted.wait_for("hang")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=15)
        self.assertEqual((process.returncode, out), (143, b""))

    def test_a_signal_in_the_middle_of_a_load_ends_it_without_a_start(self):
        self.environment["B10_LOAD_TIMEOUT_SECONDS"] = "60"
        self.saved({f"{number}/k": os.urandom(300000) for number in range(20)})
        self.mounted.rules("read 20 999999 hang 0")  # of some 50
        process = self.start("echo", "started")
        self.mounted.wait_for("hang")
        self.assertTrue(any(name.startswith(".b10transfer-staging") for name in os.listdir(self.scratch)))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=15)
        self.assertEqual((process.returncode, out), (143, b""))
        self.assertFalse(os.path.exists(self.local))

    def test_ctrl_z_during_the_load_stops_the_job(self):
        self.environment.update(B10_LOAD_TIMEOUT_SECONDS="60", PS1="ready> ")
        self.mounted.rules("* 1 999999 hang 0")
        shell = Terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], self.environment)
        self.addCleanup(shell.close)
        shell.expect("ready> ")
        shell.type(f"{COMMAND} run --quiet -- echo start''ed\n")
        self.mounted.wait_for("hang")
        shell.type(CTRL_Z)
        shell.expect("Stopped")
        shell.expect("ready> ")
        self.mounted.rules()
        shell.type("fg\n")
        shell.expect("\nstarted")
        shell.expect("ready> ")


@unittest.skipIf(FAULTFS == "none", "built without libfuse3")
@unittest.skipIf(os.environ.get(volume.NAMESPACE) != "entered", "no FUSE, or no mount namespaces for this user")
class InTheMiddleOfASave(RunTest):
    """The server is ready, and its cache is being saved when something happens: the first write to the volume is held."""

    def setUp(self):
        super().setUp()
        self.mounted = volume.Volume(FAULTFS, os.path.join(self.scratch, "fuse"))
        self.addCleanup(self.mounted.close)
        self.environment.update(B10FS_CACHE_DIR=self.mounted.path)
        self.mounted.rules("write 1 999999 hang 0")
        self.process = self.start(*self.server("--files", "3", "--seconds", "0.1", before="echo $$"))
        self.server_pid = int(self.process.stdout.readline())
        self.wait_until_said("wait: the server is ready")
        self.mounted.wait_for("hang", 30)

    def ends_with(self, code, seconds=40):
        self.process.communicate(timeout=seconds)
        self.assertEqual(self.process.returncode, code, self.said())

    def stored(self):
        return os.listdir(self.mounted.backing)

    def is_saved(self):
        self.assertEqual(self.told()["save"]["files"], 3, self.said())
        (name,) = self.stored()
        self.ok("verify", os.path.join(self.mounted.path, name))

    def nothing_is_left(self):
        self.assertEqual((self.told()["save"]["reason"], self.stored()), ("CANCELLED", []), self.said())

    def dies_of(self, number):
        os.kill(self.server_pid, number)
        self.wait_until_said(f"server: ended by signal {number:d}")
        self.mounted.rules()
        self.ends_with(128 + number)
        self.nothing_is_left()

    def test_a_server_that_ends_is_waited_for_by_the_save(self):
        self.process.stdin.close()
        self.process.stdin = None
        self.wait_until_said("server: ended with exit code 0")
        self.mounted.rules()
        self.ends_with(0)
        self.is_saved()

    def test_a_server_that_is_killed_leaves_nothing_on_the_volume(self):
        self.dies_of(signal.SIGKILL)

    def test_a_server_that_crashes_leaves_nothing_on_the_volume(self):
        self.dies_of(signal.SIGSEGV)

    def test_a_signal_to_end_is_obeyed_and_the_save_completed(self):
        self.process.send_signal(signal.SIGTERM)
        self.wait_until_said("server: ended by signal 15")
        self.mounted.rules()
        self.ends_with(143)
        self.is_saved()

    def test_a_second_signal_ends_it_at_once(self):
        self.process.send_signal(signal.SIGTERM)
        self.wait_until_said("server: ended by signal 15")
        self.process.send_signal(signal.SIGTERM)
        self.mounted.rules()
        self.ends_with(143)
        self.nothing_is_left()

    def test_a_volume_that_hangs_does_not_outlast_a_grace_of_30_seconds(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=40), 143)
        self.assertLess(time.monotonic() - began, 30)
        self.assertIn("takes too long", self.said())

    def test_when_run_is_killed_nothing_is_left_either(self):
        self.process.kill()
        self.process.wait()
        self.mounted.rules()
        wait_for(lambda: self.stored() == [])
        self.process.communicate()


if __name__ == "__main__":
    volume.enter_where_possible(FAULTFS)
    run_tests()
