#!/usr/bin/env python3
"""Runs the conformance scenario: one program per language against a suite of its own. README.md has the contract."""

import argparse
import contextlib
import dataclasses
import importlib.util
import itertools
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[3]
WORK = ROOT / ".local/clients"
SERVICES = ["identity", "project", "task", "content"]
STEPS = """sign_up second_factor refresh server_info create request_id_conflict pages masks etag_conflict batch
    complete_blocked plan watch_resume history time_entries milestones upload_resume download_checksum
    comments notifications webhooks validation_errors not_found_and_denied deadline cancellation
    retry_after_unavailable service_signature""".split()
# What the tools make beside the sources; kept from run to run.
MADE = {"gen", "node_modules", "target", "dist", ".venv", "__pycache__"}
READY_SECONDS = 180
BUILD_SECONDS = 1800
PROGRAM_SECONDS = 600
STOP_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Language:
    """Commands run in the language's directory, as its page documents them."""

    name: str
    programs: list[str]
    build: list[list[str]]
    run: list[str]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    # A directory of programs, in front of PATH.
    path: str = ""
    # It comes as a Python package unless it is installed, or from the language's own registry.
    needs_buf: bool = False


LANGUAGES = [
    Language(
        "go",
        programs=["go"],
        build=[
            ["buf", "generate"],
            ["go", "-C", "gen", "mod", "init", "github.com/dafnck/dafnckmachine/proto/gen/go"],
            ["go", "-C", "gen", "mod", "edit", "-go=1.26.0"],
            ["go", "build", "-o", "target/conformance", "./conformance"],
        ],
        run=["target/conformance"],
        needs_buf=True,
    ),
    Language(
        "python",
        programs=["python3"],
        build=[
            ["python3", "-m", "venv", ".venv"],
            ["pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"],
            ["buf", "generate"],
        ],
        run=["python", "-m", "conformance"],
        environment={"PYTHONPATH": "gen"},
        path=".venv/bin",
        needs_buf=True,
    ),
    Language(
        "typescript",
        programs=["node", "npm"],
        build=[
            ["npm", "install", "--no-audit", "--no-fund"],
            ["npm", "run", "generate"],
            ["npm", "run", "build"],
            ["npm", "run", "bundle"],
            ["npm", "run", "check:ts-proto"],
        ],
        run=["node", "dist/conformance/main.js"],
    ),
    Language(
        "java",
        programs=["java", "mvn"],
        build=[["mvn", "--quiet", "--batch-mode", "compile"]],
        run=["java", "-cp", "target/classes:target/lib/*", "com.dafnck.conformance.Main"],
    ),
]


class Failure(Exception):
    """Something other than a step failed."""


def run_command(command: list[str], directory: pathlib.Path, environment: dict[str, str]) -> None:
    """The output is shown only of a command that fails."""
    result = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        timeout=BUILD_SECONDS,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode:
        raise Failure(f"`{' '.join(command)}` in {directory} failed:\n{result.stdout}")


def environment_of(language: Language, directory: pathlib.Path, more: dict[str, str]) -> dict[str, str]:
    paths = [str(directory / language.path)] if language.path else []
    paths += [os.environ["PATH"], str(WORK / "tools/bin")]
    return {**os.environ, **language.environment, **more, "PATH": os.pathsep.join(paths)}


def copy_protos() -> pathlib.Path:
    """A copy of `proto/` to work in, so that nothing is written beside the sources. Returns its `clients`."""
    source, copy = ROOT / "proto", WORK / "proto"
    wanted = set()
    for directory, directories, files in os.walk(source):
        directories[:] = [name for name in directories if name not in MADE]
        for name in set(files) - MADE:
            file = pathlib.Path(directory, name)
            target = copy / file.relative_to(source)
            wanted.add(target)
            # An unchanged file keeps its time, which tools look at.
            if not target.exists() or target.read_bytes() != file.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
    for directory, directories, files in os.walk(copy):
        directories[:] = [name for name in directories if name not in MADE]
        for name in set(files) - MADE:
            if (stale := pathlib.Path(directory, name)) not in wanted:
                stale.unlink()
    return copy / "clients"


def install_buf(languages: list[Language]) -> None:
    if any(language.needs_buf for language in languages) and not shutil.which("buf"):
        venv = WORK / "tools"
        run_command([sys.executable, "-m", "venv", str(venv)], WORK, dict(os.environ))
        run_command([str(venv / "bin/pip"), "install", "--quiet", "buf-bin==1.*"], WORK, dict(os.environ))


def build(language: Language, directory: pathlib.Path) -> None:
    started = time.monotonic()
    environment = environment_of(language, directory, {})
    # The generators do not remove what has no proto any more.
    shutil.rmtree(directory / "gen", ignore_errors=True)
    for command in language.build:
        run_command(command, directory, environment)
    print(f"{language.name}: generated and compiled in {time.monotonic() - started:.0f} s", flush=True)


# UDP sockets with the numbers of chosen ports, by which the servers of tests know that these are taken.
CLAIMS: list[socket.socket] = []


def free_ports(count: int) -> list[int]:
    """Below the range from which the system takes ports for connections."""
    ports: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            claim = socket.socket(type=socket.SOCK_DGRAM)
            claim.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            CLAIMS.append(claim)
            ports.append(port)
        if len(ports) == count:
            return ports
    raise Failure("no free ports on loopback")


class Suite:
    """A suite that is starting on data of its own."""

    def __init__(self, directory: pathlib.Path, dafnck: pathlib.Path, tls: bool):
        self._data, self._log, self._tls = directory / "data", directory / "log", tls
        self._ports = [str(port) for port in free_ports(6)]
        command = [str(dafnck), "run", "--data-directory", str(self._data)]
        command += ["--cache-directory", str(ROOT / ".local/cache"), "--ports", ",".join(self._ports[:4])]
        command += ["--postgres-port", self._ports[4], "--redis-port", self._ports[5]]
        command += ["--console=false"] + (["--tls"] if tls else [])
        with self._log.open("w") as output:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def log(self) -> str:
        return self._log.read_text()

    def environment(self) -> dict[str, str]:
        """What programs need to call it, once it is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while "is running" not in self.log():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"the suite does not start:\n{self.log()}")
            time.sleep(0.2)
        environment = {f"DAFNCK_{name.upper()}": f"127.0.0.1:{port}" for name, port in zip(SERVICES, self._ports)}
        if self._tls:
            # Without the key, because with TLS a service also needs a client certificate.
            return {**environment, "DAFNCK_TLS_CA": str(self._data / "certificates/ca.pem")}
        return {**environment, "DAFNCK_BACKEND_KEY": (self._data / "backend-key").read_text()}

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextlib.contextmanager
def local_suite(dafnck: pathlib.Path, tls: bool):
    with tempfile.TemporaryDirectory(prefix="dafnck-conformance-") as directory:
        # PostgreSQL runs as another user where root calls.
        os.chmod(directory, 0o755)
        suite = Suite(pathlib.Path(directory), dafnck, tls)
        try:
            yield suite
        finally:
            suite.stop()


def run_program(language: Language, directory: pathlib.Path, environment: dict[str, str]) -> dict[str, tuple[bool, str]]:
    """The outcome of each step that the program reports. Its standard error is passed through."""
    started = time.monotonic()
    word = f"{language.name[:2]}{random.randrange(16**8):08x}"
    environment = environment_of(language, directory, {**environment, "DAFNCK_RUN": word})
    try:
        result = subprocess.run(
            language.run,
            cwd=directory,
            env=environment,
            timeout=PROGRAM_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        output, ended = result.stdout, f"exit code {result.returncode}"
    except subprocess.TimeoutExpired as error:
        output, ended = error.stdout, f"no end within {PROGRAM_SECONDS} s"
    text = (output or b"").decode(errors="replace")
    lines = [line.split("\t", 2) for line in text.splitlines() if line.count("\t") >= 2]
    outcomes = {step: (outcome == "ok", detail) for step, outcome, detail in lines}
    print(f"{language.name}: {ended} after {time.monotonic() - started:.0f} s", flush=True)
    if (ended == "exit code 0") != all(ok for ok, _ in outcomes.values()) or list(outcomes) != STEPS:
        missing = ", ".join(step for step in STEPS if step not in outcomes) or "none"
        print(f"{language.name}: the output does not follow the contract; missing steps: {missing}\n{text}")
        outcomes = {step: outcomes.get(step, (False, "missing")) for step in STEPS}
        outcomes["contract"] = (False, ended)
    return outcomes


def report(outcomes: dict[str, dict[str, tuple[bool, str]]], verbose: bool) -> bool:
    """Prints the table and what failed, or all details; true if every step of every language passed."""
    rows = list(dict.fromkeys(itertools.chain(STEPS, *outcomes.values())))
    width = max(map(len, rows))
    print("\n" + "".join([" " * width, *(f"  {name:<10}" for name in outcomes)]))
    for step in rows:
        cells = [steps.get(step) for steps in outcomes.values()]
        texts = ["" if cell is None else "ok" if cell[0] else "FAILED" for cell in cells]
        print(f"{step:<{width}}" + "".join(f"  {text:<10}" for text in texts).rstrip())
    for name, steps in outcomes.items():
        for step, (ok, detail) in steps.items():
            if verbose or not ok:
                print(f"\n{name} {step}: {detail}")
    return all(ok for steps in outcomes.values() for ok, _ in steps.values())


def present_languages(names: list[str], require_all: bool) -> list[Language]:
    present = []
    for language in LANGUAGES:
        if names and language.name not in names:
            continue
        missing = [program for program in language.programs if not shutil.which(program)]
        # Debian has it in a package of its own.
        needs_venv = language.name == "python" or (language.needs_buf and not shutil.which("buf"))
        if needs_venv and not importlib.util.find_spec("ensurepip"):
            missing.append("python3-venv")
        if not missing:
            present.append(language)
        elif require_all:
            raise Failure(f"{' and '.join(missing)} not found, which {language.name} needs")
        else:
            print(f"WARNING: no {' and '.join(missing)}: the {language.name} client did NOT run", file=sys.stderr)
    return present


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("language", nargs="*", help="only these; default: all")
    parser.add_argument("--dafnck", type=pathlib.Path, help="default: target/release/dafnck, else target/debug/dafnck")
    parser.add_argument("--address", help="HOST:PORT of a suite that runs, which serves all services there")
    parser.add_argument("--require-all", action="store_true", help="a missing toolchain is an error, not a warning")
    parser.add_argument("--build-only", action="store_true", help="generate and compile, and run nothing")
    parser.add_argument("--tls", action="store_true", help="the suite speaks TLS, with a certificate authority of its own")
    parser.add_argument("--verbose", action="store_true", help="show the details of all steps, not only of failed ones")
    arguments = parser.parse_args()
    if unknown := set(arguments.language) - {language.name for language in LANGUAGES}:
        parser.error(f"unknown language: {', '.join(unknown)}")
    built = [ROOT / "target" / profile / "dafnck" for profile in ("release", "debug")]
    arguments.dafnck = arguments.dafnck or next((path for path in built if path.exists()), None)
    if not arguments.dafnck and not arguments.address and not arguments.build_only:
        parser.error("no dafnck is built; `cargo build --package dafnck` makes one")
    return arguments


def run_languages(languages: list[Language], get_environment: Callable[[], dict[str, str]], verbose: bool) -> bool:
    """Builds and runs the programs, and reports; true if every step of every language passed."""
    outcomes: dict[str, dict[str, tuple[bool, str]]] = {}
    clients = copy_protos()
    install_buf(languages)
    for language in languages:
        try:
            build(language, clients / language.name)
        except (Failure, subprocess.TimeoutExpired) as failure:
            outcomes[language.name] = {"build": (False, str(failure))}
    environment = get_environment()
    for language in languages:
        if language.name not in outcomes:
            outcomes[language.name] = run_program(language, clients / language.name, environment)
    return report(outcomes, verbose)


def main() -> int:
    arguments = parse_arguments()
    languages = present_languages(arguments.language, arguments.require_all)
    WORK.mkdir(parents=True, exist_ok=True)
    if arguments.build_only:
        clients = copy_protos()
        install_buf(languages)
        for language in languages:
            build(language, clients / language.name)
        return 0
    if arguments.address:
        environment = {f"DAFNCK_{name.upper()}": arguments.address for name in SERVICES}
        return 0 if run_languages(languages, lambda: environment, arguments.verbose) else 1
    # It starts while the programs are compiled.
    with local_suite(arguments.dafnck, arguments.tls) as suite:
        if run_languages(languages, suite.environment, arguments.verbose):
            return 0
        print(f"\nThe suite's log:\n{suite.log()}")
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"ERROR: {failure}")
