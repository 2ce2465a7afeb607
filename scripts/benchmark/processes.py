"""Processes that do not outlive the benchmark, and signals that come at a bad moment."""

import contextlib
import os
import signal
import subprocess

MOUNT_SECONDS = 60  # more than any filesystem takes to mount
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Failed(Exception):
    """A command has failed; the text says which one, and what it said."""


class _Signals:
    """The first one ends the benchmark, at once or when what must not be left half done is done; others are nothing."""

    def __init__(self):
        self.number = None
        self.holders = 0

    def take(self, number, _frame):
        if self.number is None:
            self.number = number
            self.end_if_allowed()

    def end_if_allowed(self):
        if self.number is not None and self.holders == 0:
            raise SystemExit(128 + self.number)


_signals = _Signals()


def end_on_signals():
    for number in ENDING:
        signal.signal(number, _signals.take)


@contextlib.contextmanager
def uninterrupted():
    """Around what starts something and notes how to end it."""
    _signals.holders += 1
    try:
        yield
    finally:
        _signals.holders -= 1
    _signals.end_if_allowed()


def kill_session(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def started(*words, **how):
    """The command, which runs beside until the end; then it and all that it has started are killed. A session of its own:
    Ctrl-C is for the benchmark, which has to unmount things first."""
    with contextlib.ExitStack() as stack:
        with uninterrupted():
            process = stack.enter_context(subprocess.Popen(
                [str(word) for word in words], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, **how))
            stack.callback(kill_session, process)
        yield process


def output_of(*words, stdout=subprocess.PIPE, patience_seconds=None, **how):
    """Runs the command to its end and returns what it printed. Also in a session of its own."""
    words = [str(word) for word in words]
    with subprocess.Popen(words, start_new_session=True, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                          text=True, **how) as process:
        try:
            output, errors = process.communicate(timeout=patience_seconds)
        except subprocess.TimeoutExpired as late:
            kill_session(process)
            raise Failed(f"{' '.join(words)}: not done within {patience_seconds} s") from late
        except BaseException:
            kill_session(process)
            raise
    if process.returncode != 0:
        raise Failed(f"{' '.join(words)}: exit {process.returncode}\n{errors.strip()}")
    return output


def run(*words, **how):
    """The same, for commands whose output nobody reads."""
    output_of(*words, stdout=subprocess.DEVNULL, **how)


def is_true(*words):
    """Whether the command ends with 0."""
    try:
        run(*words)
    except Failed:
        return False
    return True
