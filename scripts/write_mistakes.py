"""Write docs/reference/mistakes.md: every class of user mistake with the message that it gets.

usage: python scripts/write_mistakes.py
       python scripts/write_mistakes.py --processes

The first makes all mistakes of tests/mistakes.py in this process and writes the page; a test
compares. The second makes each in a process of its own and in a job of three ranks of its own,
and prints how many ended with exit code 2 and one message, and the longest time.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

import launch  # noqa: E402 (their folder is no package)
import make_mistakes  # noqa: E402
import mistakes  # noqa: E402

HEAD = """# Mistakes and their messages

Written by `scripts/write_mistakes.py` from `tests/mistakes.py`; do not edit.

Bad input ends every command with exit code 2 and one line on standard error, from rank 0 alone on
any number of ranks: what was given, where, and what is allowed. Nothing is written before the
input is known to be good. `pytest tests/cli/test_mistakes.py` makes every mistake below on one
process and on three ranks. Others depend on how a job is started: a number of ranks that the
partitions do not allow, a launcher that does not belong to the MPI library, a second job on the
same run (`tests/cli/test_bad_input.py`, `tests/runs/test_lock.py`).

A loss that is not finite, a backend that fails for good or a disk that is full when training ends
are no mistakes of the input: they end with exit code 1 and, where it can be written, a checkpoint.
"""


def page(errors: list[str], folder: Path) -> str:
    """The page, from what each mistake printed in `folder`."""
    remaining = iter(errors)
    parts = [HEAD]
    for title, group in mistakes.MISTAKES.items():
        rows = [
            f"| {mistake.what} | {_cell(_without(next(remaining), folder))} |" for mistake in group
        ]
        parts.append("\n".join([f"## {title}", "", "| mistake | message |", "|---|---|", *rows]))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _without(error: str, folder: Path) -> str:
    """The message without what is this machine's own."""
    text = error.removeprefix("error: ").strip().replace(f"{folder}/", "")
    # The words of a library change with its version.
    text = re.sub(
        r"(valid TOML|read as \.\w+|UTF-8 text|no QPY file|be found|serializable=True\)) \(.*",
        r"\1 (...)",
        text,
    )
    text = re.sub(r"(Aer refuses its options|Invalid value for '--\w+'): .*", r"\1: ...", text)
    text = re.sub(r"(No such command '\w+'|No such option: --\w+).*", r"\1", text)
    text = re.sub(r"allowed on this processor: .*", "allowed on this processor: plain, ...", text)
    text = re.sub(r"at most \d+( \(|,| qubits)", r"at most N\1", text)
    return re.sub(r"[\d.]+ GiB", "N GiB", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def in_processes(folder: Path) -> int:
    """Every mistake as users make it; the number of those that went otherwise than promised."""
    wrong = 0
    for ranks in (None, 3):
        longest, count = (0.0, ""), 0
        for mistake in [mistake for group in mistakes.MISTAKES.values() for mistake in group]:
            mistakes.write_config(folder / "config.toml", mistake.given)
            start = time.monotonic()
            done = launch.run(
                *launch.HPC_QLSTM, *mistake.arguments, ranks=ranks, cwd=folder,
                env=launch.environment(**mistake.environment),
            )  # fmt: skip
            longest = max(longest, (time.monotonic() - start, mistake.what))
            lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
            good = done.returncode == 2 and len(lines) == 1 and "Traceback" not in done.stderr
            if not good or not all(word in lines[0] for word in mistake.words):
                print(f"{mistake.what}: exit code {done.returncode}\n{done.stderr}")
                wrong += 1
            count += 1
        where = f"{ranks} ranks" if ranks else "one process"
        print(f"{where}: {count} mistakes, longest {longest[0]:.1f} s ({longest[1]})")
    return wrong


def main() -> int:
    """Write the page, or check real processes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_mistakes.prepare(folder)
        if sys.argv[1:] == ["--processes"]:
            return 1 if in_processes(folder) else 0
        results = make_mistakes.make_all(folder)
        text = page([result["errors"] for result in results], folder)
        (PROJECT / "docs" / "reference" / "mistakes.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
