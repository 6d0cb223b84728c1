"""A server of a test's own, by the fixture scripts beside this file: it may be killed, stopped, and
started again."""
import os
import pathlib
import signal
import subprocess

from serve_process import free_port

HERE = pathlib.Path(__file__).resolve().parent
SERVICES = pathlib.Path(os.environ.get("MARQUEE_SERVICES", "/nonexistent"))


class Server:
    """@param work folder of the test  @param name of the script, without ".sh" """

    def __init__(self, work, name, **environment):
        self.script, self.port = HERE / f"{name}.sh", free_port()
        self.environment = dict(os.environ, **environment)
        self.folder = work / name
        self.folder.mkdir()
        for part in (SERVICES / name).iterdir():
            (self.folder / part.name).symlink_to(part)
        self.run("start", str(self.port))

    def run(self, command, *arguments):
        subprocess.run([self.script, command, self.folder, *arguments], check=True, env=self.environment)

    def crash(self):
        self.run("crash")

    def start(self):
        self.run("start", str(self.port))

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], check=False)

    def hang(self, hangs=True):
        """It keeps its connections and answers nothing, or goes on."""
        pid = int((self.folder / "pid").read_text())
        os.kill(pid, signal.SIGSTOP if hangs else signal.SIGCONT)
