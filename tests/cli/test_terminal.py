"""`run` on a terminal, under the job control of a real shell."""

import fcntl
import os
import shlex
import shutil
import signal
import struct
import sys
import termios
import time

from support import COMMAND, CTRL_C, CTRL_Z, CommandTest, Terminal, is_alive, run_tests

# Says every signal that arrives of those that are named, and ends by SIGUSR1 with code 5.
LISTENER = """
import os, signal, sys
def hear(number, frame):
    if number == signal.SIGUSR1:
        os._exit(5)
    os.write(1, f"heard {signal.Signals(number).name}\\n".encode())
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), hear)
os.write(1, f"listening {os.getpid()}\\n".encode())
while True:
    signal.pause()
"""


class Shell(CommandTest):
    def setUp(self):
        super().setUp()
        self.environment.update(PS1="ready> ", B10_CACHE_KIND="inductor", B10_LOG_LEVEL="error", RUN=f"{COMMAND} run --",
                                B10_TRANSFER_VLLM_URL="http://127.0.0.1:1/", LISTENER=LISTENER)
        self.shell = self.open("bash", "--norc", "--noprofile", "--noediting", "-i")
        self.shell.expect("ready> ")

    def open(self, *words):
        terminal = Terminal(words, self.environment)
        self.addCleanup(terminal.close)
        return terminal

    def listen(self, after=""):
        signals = "SIGINT SIGTSTP SIGWINCH SIGTTIN SIGTTOU SIGUSR1"
        self.shell.type(f'$RUN {sys.executable} -c "$LISTENER" {signals} {after}\n')
        self.shell.expect("listening ")
        return self.shell.number()

    def status(self):
        self.shell.expect("ready> ")
        self.shell.type("echo status=$?\n")
        self.shell.expect("\nstatus=")
        return self.shell.number()

    def heard(self, name):
        """How often, once everything that was sent before has been heard."""
        return self.shell.seen.count(f"heard SIG{name}".encode())

    def test_ctrl_c_reaches_the_server_once(self):
        for after in ("", "| (trap '' INT; cat)", "< /dev/null"):
            with self.subTest(after):
                self.shell.forget()
                server = self.listen(after)
                self.shell.type(CTRL_C)
                self.shell.expect("heard SIGINT")
                os.kill(server, signal.SIGUSR1)
                self.shell.expect("ready> ")
                self.assertEqual(self.heard("INT"), 1)

    def test_ctrl_c_is_130(self):
        self.shell.type("$RUN sh -c 'echo list''ening; exec sleep 60'\n")
        self.shell.expect("listening")
        self.shell.type(CTRL_C)
        self.assertEqual(self.status(), 130)

    def test_ctrl_c_reaches_the_script_around_it(self):
        script = os.path.join(self.scratch, "start.sh")
        with open(script, "w", encoding="ascii") as file:
            file.write("trap 'exit 9' INT\n$RUN sh -c 'echo listening; exec sleep 60'\necho never\n")
        self.shell.type(f"sh {script}\n")
        self.shell.expect("listening")
        self.shell.type(CTRL_C)
        self.assertEqual(self.status(), 9)

    # A shell that loops is no server for this: dash stays in the middle of a vfork() whose child was stopped.
    def test_ctrl_z_stops_the_job_and_fg_continues_it(self):
        for after in ("", "| cat", "< /dev/null", "&& true"):
            with self.subTest(after):
                self.shell.type(f"$RUN sh -c 'echo pid $$; exec sleep 60' {after}\n")
                self.shell.expect("\npid ")
                server = self.shell.number()
                self.shell.type(CTRL_Z)
                self.shell.expect("Stopped")
                self.shell.expect("ready> ")
                self.assertEqual(state(server), "T")
                self.shell.type("fg\n")
                wait_for_state(server, "RS")
                self.shell.type(CTRL_C)
                self.shell.expect("ready> ")

    def test_ctrl_z_in_a_script_stops_the_script(self):
        script = os.path.join(self.scratch, "start.sh")
        with open(script, "w", encoding="ascii") as file:
            file.write("$RUN sh -c 'echo listening; read line; exit 4'\n")
        self.shell.type(f"sh {script}\n")
        self.shell.expect("listening")
        self.shell.type(CTRL_Z)
        self.shell.expect("Stopped")
        self.shell.expect("ready> ")
        self.shell.type("fg\n")
        self.shell.expect("start.sh\r\n")
        self.shell.type("x\n")
        self.assertEqual(self.status(), 4)

    def test_the_server_reads_from_the_terminal(self):
        self.shell.type("$RUN sh -c 'read word; echo read $word; exit 6'\n")
        self.shell.type("something\n")
        self.shell.expect("\nread something")
        self.assertEqual(self.status(), 6)

    def test_a_server_with_job_control_of_its_own_gets_the_terminal(self):
        self.shell.type("PS1='in''ner> ' $RUN bash --norc --noprofile --noediting -i\n")
        self.shell.expect("inner> ")
        self.shell.type("sh -c 'echo sleep''ing; exec sleep 60'\n")
        self.shell.expect("sleeping")
        self.shell.type(CTRL_Z)
        self.shell.expect("Stopped")
        self.shell.expect("inner> ")
        self.shell.type("exit 3\nexit 3\n")
        self.assertEqual(self.status(), 3)

    def test_in_the_background_it_reads_nothing_until_it_is_in_front(self):
        self.shell.type("$RUN sh -c 'echo list''ening; read word; echo read $word; exit 6' &\n")
        self.shell.expect("listening")
        self.shell.type("\n")
        wait_until(lambda: "T" in [state(pid) for pid in self.shell.session()])
        self.shell.type("jobs\n")
        self.shell.expect("Stopped")
        self.shell.type("fg\n")
        self.shell.expect("exit 6'\r\n")
        self.shell.type("word\n")
        self.shell.expect("\nread word")
        self.assertEqual(self.status(), 6)

    def test_a_job_in_the_background_does_not_take_the_terminal_when_it_ends(self):
        self.shell.type("$RUN sh -c 'read word; echo pid $$; exec sleep 60'\n")
        self.shell.type("word\n")
        self.shell.expect("\npid ")
        server = self.shell.number()
        self.shell.type(CTRL_Z)
        self.shell.expect("Stopped")
        self.shell.expect("ready> ")
        self.shell.type("bg\n")
        self.shell.expect("ready> ")
        wait_for_state(server, "RS")
        self.shell.type("kill %1; wait %1\n")
        self.assertEqual(self.status(), 143)

    def test_a_new_size_of_the_window_reaches_the_server_once(self):
        server = self.listen()
        fcntl.ioctl(self.shell.leader, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        self.shell.expect("heard SIGWINCH")
        os.kill(server, signal.SIGUSR1)
        self.assertEqual(self.status(), 5)
        self.assertEqual(self.heard("WINCH"), 1)

    def test_what_another_process_sends_is_handed_on_even_if_terminals_send_it_too(self):
        server = self.listen("&")
        (run,) = parent_of(server)
        for name in ("TTIN", "TTOU", "TSTP"):
            os.kill(run, getattr(signal, f"SIG{name}"))
            self.shell.expect(f"heard SIG{name}")
        os.kill(run, signal.SIGUSR1)

    def test_tostop_does_not_stop_it(self):
        self.shell.type("stty tostop; B10_LOG_LEVEL=info $RUN sh -c 'echo written; exit 8'\n")
        self.shell.expect("written")
        self.assertEqual(self.status(), 8)

    def test_nobody_can_continue_a_session_leader_so_it_is_not_stopped(self):
        terminal = self.open(COMMAND, "run", "--", "sh", "-c", "echo listening; read word; exit 4")
        terminal.expect("listening")
        terminal.type(CTRL_Z)
        terminal.type("word\n")
        terminal.expect("word")
        wait_until(lambda: not is_alive(terminal.pid))

    def test_ctrl_c_before_the_server_is_ready_is_no_failure_of_the_cache(self):
        for server in ("echo listening; exec sleep 60",
                       "trap 'exit 1' INT; echo listening; while :; do sleep 0.05; done",
                       "read word; echo listening; exec sleep 60"):  # which has the terminal then
            with self.subTest(server):
                self.fill_local()
                self.ok("save")
                shutil.rmtree(self.local)
                self.shell.forget()
                self.shell.type(f"$RUN sh -c {shlex.quote(server)}\n")
                if "read" in server:
                    self.shell.type("word\n")
                self.shell.expect("\nlistening")
                self.shell.type(CTRL_C)
                self.shell.expect("ready> ")
                self.assertEqual(self.shell.seen.count(b"\nlistening"), 1)
                shutil.rmtree(self.local)


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return [int(file.read().rpartition(")")[2].split()[1])]


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it never came to that")
        time.sleep(0.01)


def wait_for_state(pid, states):
    wait_until(lambda: state(pid) in states)


if __name__ == "__main__":
    run_tests()
