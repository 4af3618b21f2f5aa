"""The work is done in a child process: whatever becomes of either, the caller gets its answer and its exit code."""

import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))

import volume
from support import COMMAND, CommandTest, child_of, is_alive, run_tests, unittest

FAULTFS = os.environ.get("B10_FAULTFS", "none")
NO_FORK = os.environ.get("B10_NO_FORK", "none")


class Worker(CommandTest):
    def start_stopped(self, *arguments, **options):
        """Starts the command and stops its child; returns both."""
        process = subprocess.Popen([COMMAND, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        worker = child_of(process)
        os.kill(worker, signal.SIGSTOP)
        return process, worker

    def wait_until_gone(self, pid):
        deadline = time.monotonic() + 10
        while is_alive(pid):
            self.assertLess(time.monotonic(), deadline, "it lives on")
            time.sleep(0.005)

    def big_local(self):
        """Enough work to be met in the middle of it."""
        self.fill_local({f"{number:03}/k": os.urandom(200000) for number in range(300)})

    def test_a_child_that_dies_by_a_signal_is_told_on_stderr_and_by_the_exit_code(self):
        self.big_local()
        process, worker = self.start_stopped("save")
        os.kill(worker, signal.SIGKILL)
        out, err = process.communicate(timeout=10)
        self.assertEqual((process.returncode, out), (128 + signal.SIGKILL, b""))
        self.assertIn(b"ended by signal 9 (Killed)", err)

    def test_a_parent_that_is_killed_takes_its_child_along(self):
        self.big_local()
        process, worker = self.start_stopped("save")
        process.kill()
        process.wait()
        os.kill(worker, signal.SIGCONT)
        self.wait_until_gone(worker)
        self.assertEqual(os.listdir(self.volume), [])

    def test_config_and_help_need_no_child(self):
        for arguments in (("config",), ("--help",), ("--version",), ("load", "--help")):
            with self.subTest(arguments):
                self.ok(*arguments, environment=self.forbidding_fork())

    def forbidding_fork(self):
        if NO_FORK == "none":
            self.skipTest("built without the stand-in for fork")
        return {"LD_PRELOAD": NO_FORK}

    def test_where_no_process_can_be_had_the_work_is_done_all_the_same(self):
        self.fill_local()
        out, _ = self.ok("save", environment=self.forbidding_fork())
        self.assertIn("saved 3 files", out)
        self.ends(2, "list", "--set", "B10_THREADS=x", environment=self.forbidding_fork())

    def test_works_with_standard_streams_closed(self):
        self.fill_local()
        closed = subprocess.run(["sh", "-c", '"$0" save <&- 2>&-', COMMAND], env=self.environment,
                                stdout=subprocess.PIPE)
        self.assertEqual(closed.returncode, 0)
        self.assertIn(b"saved 3 files", closed.stdout)

    def test_works_in_the_background_of_a_script_and_under_nohup(self):
        self.fill_local()
        script = '"$0" save & wait $!; echo "code $?"; nohup "$0" list; echo "code $?"'
        done = subprocess.run(["sh", "-c", script, COMMAND], env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.stdout.count(b"code 0\n"), 2, done)

    def test_works_where_children_are_reaped_by_the_kernel(self):
        self.ok("list", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))

    def in_pid_namespace(self, *arguments, **options):
        probe = ["unshare", "--pid", "--fork", "true"]
        if os.geteuid() != 0 or subprocess.run(probe, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("this machine allows no pid namespaces")
        return ["unshare", "--pid", "--fork", "--kill-child", COMMAND, *arguments]

    def test_works_as_the_first_process_of_its_namespace(self):
        self.fill_local()
        command = self.in_pid_namespace("save")
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"saved 3 files", done.stdout)

    def test_obeys_signals_as_the_first_process_of_its_namespace(self):
        self.big_local()
        unshare = subprocess.Popen(self.in_pid_namespace("save"), env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(unshare.kill)
        first = child_of(unshare)
        while not os.path.basename(os.readlink(f"/proc/{first}/exe")).startswith("b10"):
            time.sleep(0.001)

        class First:
            pid = first
            poll = staticmethod(unshare.poll)

        child_of(First)
        os.kill(first, signal.SIGTERM)
        _, err = unshare.communicate(timeout=30)
        self.assertEqual(unshare.returncode, 128 + signal.SIGTERM, err)
        self.assertEqual(os.listdir(self.volume), [])


@unittest.skipIf(FAULTFS == "none", "built without libfuse3")
@unittest.skipIf(os.environ.get(volume.NAMESPACE) != "entered", "no FUSE, or no mount namespaces for this user")
class HangingVolume(CommandTest):
    """The volume stops answering: the child's threads are inside system calls that nobody can interrupt."""

    def setUp(self):
        super().setUp()
        self.mounted = volume.Volume(FAULTFS, os.path.join(self.scratch, "fuse"))
        self.addCleanup(self.mounted.close)
        self.environment["B10FS_CACHE_DIR"] = self.mounted.path
        self.environment["B10_LOAD_TIMEOUT_SECONDS"] = "1"
        self.environment["B10_SAVE_TIMEOUT_SECONDS"] = "1"

    def held(self, *arguments, seconds):
        """Runs the command against a volume that answers nothing more; its answer and both of its streams must have ended
        within that time."""
        self.mounted.rules("* 1 999999 hang 0")
        started = time.monotonic()
        done = self.run_command(*arguments, timeout=30)
        self.assertLess(time.monotonic() - started, seconds)
        self.mounted.wait_for("hang")
        return done

    def test_the_time_out_is_exit_code_6_and_readers_of_the_output_get_its_end(self):
        for arguments in (("load",), ("list",), ("info",)):
            with self.subTest(arguments):
                done = self.held(*arguments, seconds=3.5)
                self.assertEqual(done.returncode, 6, done)
                self.assertIn(b"(TIMEOUT)", done.stderr)
                self.mounted.rules()

    def test_json_says_so(self):
        done = self.held("load", "--json", seconds=3.5)
        self.assertIn(b'"reason": "TIMEOUT"', done.stdout)
        self.assertIn(b'"exit_code": 6', done.stdout)

    def test_a_save_that_hangs_ends_too_and_the_next_one_succeeds_when_the_volume_answers(self):
        self.fill_local()
        self.assertEqual(self.held("save", seconds=3.5).returncode, 6)
        self.mounted.rules()
        self.ok("save", environment={"B10_SAVE_TIMEOUT_SECONDS": "60"})

    def test_the_child_that_is_left_ends_when_the_volume_answers(self):
        self.mounted.rules("* 1 999999 hang 0")
        process = subprocess.Popen([COMMAND, "load"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        worker = child_of(process)
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 6)
        self.assertTrue(os.path.exists(f"/proc/{worker}/task"), "it was not held at all")
        self.mounted.rules()
        deadline = time.monotonic() + 10
        while os.path.exists(f"/proc/{worker}") and is_alive(worker):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_a_signal_ends_a_load_that_hangs(self):
        self.mounted.rules("* 1 999999 hang 0")
        process = subprocess.Popen([COMMAND, "load"],
                                   env=dict(self.environment, B10_LOAD_TIMEOUT_SECONDS="60"), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.mounted.wait_for("hang")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        self.assertEqual(process.returncode, 143)


if __name__ == "__main__":
    volume.enter_where_possible(FAULTFS)
    run_tests()
