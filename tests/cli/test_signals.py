"""A signal cancels the operation, which cleans up after itself."""

import fcntl
import os
import signal
import subprocess
import time

from support import COMMAND, CommandTest, child_of, is_alive, unittest


def status_of(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        (value,) = [line.split()[1] for line in file if line.startswith(name + ":")]
    return value


def catches(pid, number):
    return bool(int(status_of(pid, "SigCgt"), 16) >> (number - 1) & 1)


def sleeps(pid):
    """How often it has gone to sleep; -1 while it runs."""
    return int(status_of(pid, "voluntary_ctxt_switches")) if status_of(pid, "State") == "S" else -1


class Signals(CommandTest):
    def start_held(self, *arguments, ignore=(), **options):
        """Starts the command at its most talkative with a full pipe as stderr: it waits at its first log line, before any
        work, until the pipe is read. Returns the process and the pipe's read end."""
        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b"." * 4096)
        except BlockingIOError:
            os.set_blocking(write_end, True)

        def prepare():
            for number in ignore:
                signal.signal(number, signal.SIG_IGN)

        process = subprocess.Popen([COMMAND, *arguments, "-v"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=write_end, preexec_fn=prepare, **options)
        os.close(write_end)
        self.addCleanup(process.kill)
        return process, read_end

    def start_working(self, *arguments, **options):
        """The same, once the working process is ready for signals; returns its pid, too."""
        process, read_end = self.start_held(*arguments, **options)
        worker = child_of(process)
        while not (catches(worker, signal.SIGTERM) and sleeps(worker) > 0):
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        return process, read_end, worker

    def send(self, process, worker, number):
        """The signal to the command; returns when the working process has noticed."""
        before = sleeps(worker)
        process.send_signal(number)
        self.wait_until_noticed(process, worker, before)

    def wait_until_noticed(self, process, worker, before):
        """The working process woke up from writing to the pipe and sleeps again."""
        while sleeps(worker) <= before:
            self.assertIsNone(process.poll())
            time.sleep(0.001)

    def let_go(self, process, read_end):
        with open(read_end, "rb") as pipe:
            err = pipe.read().lstrip(b".")
        out, _ = process.communicate()
        return process.returncode, out.decode(), err.decode()

    def interrupted(self, number, *arguments):
        process, read_end, worker = self.start_working(*arguments)
        self.send(process, worker, number)
        return self.let_go(process, read_end)

    def test_an_interrupted_save_publishes_nothing_and_leaves_nothing(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            with self.subTest(number):
                self.fill_local()
                returned, out, err = self.interrupted(number, "save")
                self.assertEqual(returned, code, err)
                self.assertEqual(out, "")
                self.assertIn("(CANCELLED)", err)
                self.assertEqual(os.listdir(self.volume), [])

    def test_an_interrupted_load_leaves_the_local_directory_as_it_was(self):
        self.saved()
        returned, _, err = self.interrupted(signal.SIGINT, "load")
        self.assertEqual(returned, 130, err)
        self.assertEqual(sorted(os.listdir(self.scratch)), ["volume"])
        self.ok("load")

    def test_an_interrupted_verify_says_so_in_json(self):
        self.saved()
        returned, out, _ = self.interrupted(signal.SIGTERM, "verify", self.archive(), "--json")
        self.assertEqual(returned, 143)
        self.assertIn('"reason": "CANCELLED"', out)
        self.assertIn('"exit_code": 143', out)

    def test_the_second_signal_ends_the_command_at_once(self):
        self.fill_local()
        process, read_end, worker = self.start_working("save")
        self.send(process, worker, signal.SIGINT)
        time.sleep(0.1)  # sooner it counts as the same one
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), -signal.SIGINT)
        self.let_go(process, read_end)
        self.assertFalse(is_alive(worker))

    def test_a_signal_to_the_whole_group_counts_once(self):
        """A terminal sends it to both processes, `timeout` to one and to all."""
        self.fill_local()
        process, read_end, worker = self.start_working("save", start_new_session=True)
        before = sleeps(worker)
        process.send_signal(signal.SIGTERM)
        os.killpg(process.pid, signal.SIGTERM)  # with nothing between: soon after counts as the same one
        self.wait_until_noticed(process, worker, before)
        returned, _, err = self.let_go(process, read_end)
        self.assertEqual(returned, 143, err)
        self.assertEqual(os.listdir(self.volume), [])

    def test_a_signal_ends_a_command_that_only_looks(self):
        process, read_end = self.start_held("list")
        child_of(process)
        process.send_signal(signal.SIGTERM)
        process.wait(10)  # while its child is held: let go, it might end before the signal has been handed on
        returned, out, err = self.let_go(process, read_end)
        self.assertEqual((returned, out), (-signal.SIGTERM, ""))
        self.assertNotIn("error", err)

    def test_a_signal_that_the_parent_ignores_stays_ignored(self):
        self.fill_local()
        process, read_end, worker = self.start_working("save", ignore=(signal.SIGINT,))
        process.send_signal(signal.SIGINT)
        os.kill(worker, signal.SIGINT)
        returned, out, err = self.let_go(process, read_end)
        self.assertEqual(returned, 0, err)
        self.assertIn("saved 3 files", out)


if __name__ == "__main__":
    unittest.main()
