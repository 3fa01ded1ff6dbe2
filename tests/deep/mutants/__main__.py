"""Runs the mutants of files: python3 tests/deep/mutants [--seconds N] [--workers N] PATH..."""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import schema

TREE = pathlib.Path("target/mutants/tree")
LIST = pathlib.Path("tests/deep/mutants.txt")
RUNS = pathlib.Path("tests/deep/mutants-runs.txt")
PACKAGES = {"tracing-tap": ".", "tracing-tap-web": "crates/tracing-tap-web", "tracing-tap-nats": "crates/tracing-tap-nats"}
# Packages whose tests are of another one's code as well.
NEIGHBOURS = {"tracing-tap": {"tracing-tap-otel": "crates/tracing-tap-otel"}}
# Tests that say nothing about the code, build packages of their own, or count the instructions that the mutants add to.
NO_USE = re.compile(r"^(layout|compiled_out|msrv|examples|neighbours::(bunyan|console|tokio_tracing))::|\bloom_")
LINTS = re.compile(r"\[workspace\.lints\.rust\].*?(?=\n\[(?!workspace\.lints))", re.DOTALL)
NO_LINTS = """[workspace.lints.rust]
warnings = "allow"
arithmetic_overflow = "allow"
unconditional_panic = "allow"
unconditional_recursion = "allow"
"""
MOST_BYTES = 1_600_000_000


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def listed(paths):
    """The mutants of files or folders, numbered from 1."""
    globs = [f"{path.rstrip('/')}/**/*.rs" if os.path.isdir(path) else path for path in paths]
    files = [word for glob in globs for word in ("--file", glob)]
    mutants = json.loads(output("cargo", "mutants", "--list", "--json", "--workspace", *files))
    # What tests consist of is no code to weaken.
    mutants = [each for each in mutants if "tests::" not in each["name"] and each["package"] in PACKAGES]
    for number, each in enumerate(mutants, 1):
        each["number"] = number
        each["lib"] = os.path.normpath(f"{PACKAGES[each['package']]}/src/lib.rs")
        # Places change with every line that is added: a mutant is named by its file and its words.
        each["words"] = re.sub(r":\d+:\d+: ", ": ", each["name"].replace("\n", " "), count=1)
    return mutants


def copied(mutants):
    """A copy of the sources, where lints allow what mutants do. What is the same is not written: cargo looks at times."""
    changed = {each["file"] for each in mutants} | {each["lib"] for each in mutants}
    for name in output("git", "ls-files", "-co", "--exclude-standard").splitlines():
        source, copy = pathlib.Path(name), TREE / name
        if not source.is_file() or name in changed and copy.exists():
            continue
        text = source.read_bytes()
        if name == "Cargo.toml":
            text = LINTS.sub(NO_LINTS, text.decode()).encode()
        if not copy.exists() or copy.read_bytes() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)
            shutil.copymode(source, copy)


def cargo(*words):
    command = ["cargo", *words, "--all-features", "--message-format=json"]
    done = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, text=True)
    return done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("{")]


def built(package, mutants):
    """The test binaries of a package with all mutants that compile, each with its folder, and the numbers of the others."""
    dropped = set()
    for build in (["check", "--lib"], ["test", "--no-run", "--lib", "--test", "it"]):
        while True:
            impossible = schema.instrument(TREE, mutants, dropped)
            is_built, messages = cargo(*build, "--package", package)
            blamed, others = schema.blamed(TREE, mutants, messages)
            if is_built:
                break
            if not blamed - dropped:
                sys.exit("\n".join(["the copy with all mutants does not build", *others]))
            dropped |= blamed
    tests = executables(messages, PACKAGES[package])
    for neighbour, folder in NEIGHBOURS.get(package, {}).items():
        tests += executables(cargo("test", "--no-run", "--tests", "--package", neighbour)[1], folder)
    return tests, dropped, impossible


def executables(messages, folder):
    """The test binaries that cargo has built, each with the folder of its package."""
    artifacts = [json.loads(line) for line in messages]
    return [(each["executable"], folder) for each in artifacts if each.get("executable") and each["profile"]["test"]]


class Test:
    def __init__(self, binary, folder, name):
        self.binary, self.folder, self.name = binary, folder, name
        self.seconds, self.reached = 0.0, set()

    def run(self, bound, **variables):
        """Whether it is `ok`, has `failed` or `hangs`."""
        libraries = f"{TREE.resolve()}/target/debug/deps"
        # As nextest does: each test has a process of its own.
        environment = {**os.environ, **variables, "NEXTEST": "1", "CARGO_MANIFEST_DIR": self.folder, "LD_LIBRARY_PATH": libraries,
                       "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "true", "RUST_BACKTRACE": "0"}
        start = time.monotonic()
        command = [self.binary, "--exact", self.name, "--nocapture"]
        child = subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        while child.poll() is None and time.monotonic() - start < bound and resident_bytes(child.pid) < MOST_BYTES:
            time.sleep(min(0.005 + (time.monotonic() - start) / 10, 0.2))
        result = {None: "hangs", 0: "ok"}.get(child.poll(), "failed")
        # What it has started is in its group.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()
        self.last_seconds = time.monotonic() - start
        return result


def resident_bytes(process):
    try:
        return int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def covered(binaries, workers, wanted):
    """The tests that succeed, each with the mutants that it reaches."""
    tests = []
    for binary, folder in binaries:
        folder = str((TREE / folder).resolve())
        names = subprocess.run([binary, "--list", "--format", "terse"], cwd=folder, stdout=subprocess.PIPE, text=True).stdout
        names = [line.removesuffix(": test") for line in names.splitlines() if line.endswith(": test")]
        tests += [Test(binary, folder, name) for name in names if wanted.search(name) and not NO_USE.search(name)]

    def note(numbered):
        number, test = numbered
        notes = (TREE.parent / f"reached-{number}").resolve()
        # Twice, since some count allocations, which notes are not, but the first look at a variable is.
        for _ in range(2):
            notes.unlink(missing_ok=True)
            if test.run(300, TAP_MUTANTS_REACHED=str(notes)) == "ok":
                break
        else:
            print("without mutants this fails, so it is left out:", test.name, file=sys.stderr)
            return None
        test.seconds = test.last_seconds
        test.reached = {int(line) for line in notes.read_text().split()} if notes.exists() else set()
        notes.unlink(missing_ok=True)
        return test

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [test for test in pool.map(note, enumerate(tests)) if test]


class Hunt:
    def __init__(self, tests, mutants, seconds):
        self.tests, self.seconds, self.lock = tests, seconds, threading.Lock()
        # How much of what a test reaches is in one file: a unit test before one of the whole.
        self.share = collections.defaultdict(dict)
        self.killers = collections.defaultdict(collections.Counter)
        files = {each["number"]: each["file"] for each in mutants}
        for test in tests:
            for name, count in collections.Counter(files[number] for number in test.reached if number in files).items():
                self.share[name][test] = count / (150 + len(test.reached))

    def order(self, mutant):
        name = mutant["file"]
        reaching = [test for test in self.tests if mutant["number"] in test.reached]
        return sorted(reaching, key=lambda test: (-self.killers[name][test], (0.15 + test.seconds) / self.share[name][test]))

    def run(self, mutant):
        order = self.order(mutant)
        spent, state = 0.0, "survived" if order else "unreached"
        for test in order:
            if spent > self.seconds:
                state = "not all tests run"
                break
            bound = max(15, 4 * test.seconds)
            choice = {"TAP_MUTANT": str(mutant["number"])}
            result = test.run(bound, **choice)
            spent += test.seconds
            # A test that fails under load proves nothing: it must fail twice.
            if result != "ok" and (result == "hangs" or test.run(bound, **choice) != "ok"):
                state = result
                with self.lock:
                    self.killers[mutant["file"]][test] += 1
                break
        if state not in ("failed", "hangs"):
            print(f"{state}: {mutant['name']}", flush=True)
        return mutant, state


def judged(results):
    """Writes down which files were run, and returns the words of the survivors that the list does not argue for."""
    argued = {line.rsplit(" | ", 1)[0] for line in LIST.read_text().splitlines() if line and not line.startswith("#")}
    commit = output("git", "rev-parse", "--short", "HEAD").strip()
    runs = dict(line.split(": ", 1) for line in RUNS.read_text().splitlines()) if RUNS.exists() else {}
    counts = collections.defaultdict(collections.Counter)
    for mutant, state in results:
        counts[mutant["file"]][state] += 1
    for name, states in counts.items():
        said = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        runs[name] = f"{commit}: {sum(states.values())} mutants, {said}"
    RUNS.write_text("".join(f"{name}: {run}\n" for name, run in sorted(runs.items())))
    return sorted({m["words"] for m, state in results if state in ("survived", "unreached", "not all tests run")} - argued)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600, help="tests that a mutant may survive, in seconds that they take without it")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tests", type=re.compile, default=re.compile(""), help="the tests that are run, as a regular expression")
    parser.add_argument("paths", nargs="+")
    options = parser.parse_args()
    mutants, results = listed(options.paths), []
    copied(mutants)
    for package in PACKAGES:
        own = [each for each in mutants if each["package"] == package]
        if not own:
            continue
        binaries, dropped, impossible = built(package, own)
        tests = covered(binaries, options.workers, options.tests)
        possible = [each for each in own if each["number"] not in dropped | impossible]
        print(f"{package}: {len(possible)} mutants and {len(tests)} tests; {len(dropped)} do not compile, {len(impossible)} "
              "cannot be chosen at run time", flush=True)
        hunt = Hunt(tests, possible, options.seconds)
        with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
            results += pool.map(hunt.run, possible)
    alive = judged(results)
    if alive:
        sys.exit("No test notices these, and tests/deep/mutants.txt does not argue for them:\n" + "\n".join(alive))


main()
