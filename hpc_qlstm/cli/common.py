"""What the commands share: the app, options, the communicator, and how rank 0 prints."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer
from rich.console import Console

from hpc_qlstm.errors import EXIT_STOPPED, InputError
from hpc_qlstm.parallel import ending_all, on_root, open_communicator

if TYPE_CHECKING:
    from hpc_qlstm.config import Config
    from hpc_qlstm.studies.runner import Job

OptionsT = TypeVar("OptionsT")

app = typer.Typer(
    name="hpc-qlstm",
    help="Train distributed quantum LSTMs, alone or under mpirun.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a configuration key."),
]
OutputOption = Annotated[Path, typer.Option("--output", help="The folder to write.")]
PartOption = Annotated[
    str, typer.Option("--part", metavar="K/N", help="Compute the K-th of N parts, from 0 on.")
]


class Which(StrEnum):
    """Which weights of a run to use."""

    last = "last"
    best = "best"


WhichOption = Annotated[
    Which, typer.Option("--weights", help="Of the last epoch, or of the best test loss.")
]


@contextlib.contextmanager
def collective() -> Iterator[Any]:
    """The communicator for a command; an exception on one rank ends all."""
    comm = open_communicator()
    with ending_all(comm):
        yield comm


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes a file that the user named: what the file system or the format refuses
    becomes an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


@contextlib.contextmanager
def study_job(output: Path, part: str, command: Sequence[str] = ()) -> Iterator[Job]:
    """What a command does of a study: the job of --output and --part on all ranks.

    A signal ends the block on all ranks, and the command with exit code 75. Raises InputError.
    """
    from hpc_qlstm.studies.runner import Job
    from hpc_qlstm.training.stopping import StopRequested

    stopped = ""
    with collective() as comm:
        share = on_root(comm, lambda: which_part(part))
        try:
            yield Job(output, comm, share, shlex.join(command), show)
        except StopRequested as reason:
            stopped = str(reason)  # on all ranks
    if stopped:
        show(f"stopped by {stopped}; the same command goes on")
        raise typer.Exit(EXIT_STOPPED)


def read_config(config: Path, overrides: Sequence[str] | None) -> Config:
    """The configuration of CONFIG and --set. Local; raises InputError."""
    from hpc_qlstm.config_io import load_config

    return load_config(config, overrides or ())


def options_of(command: Callable[[OptionsT], None]) -> Callable[..., None]:
    """A command whose arguments and options are the fields of the dataclass that it takes.

    The fields are annotated as Typer's parameters are, with their defaults.
    """
    kind = next(iter(get_type_hints(command).values()))

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        command(kind(**given))

    hints = get_type_hints(kind, include_extras=True)
    fields = inspect.signature(kind).parameters.values()
    with_options.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [field.replace(annotation=hints[field.name]) for field in fields]
    )
    with_options.__annotations__ = hints
    return with_options


def command_words(name: str, *arguments: Any, **options: Any) -> list[str]:
    """The words of a command, to be given again. An option is left out where it is None or False,
    has no value where it is True, and is given once for each item of a list."""
    words = ["hpc-qlstm", name, *map(str, arguments)]
    for key, value in options.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item is not False:
                words += [f"--{key.replace('_', '-')}", *([] if item is True else [str(item)])]
    return words


def show(text: str) -> None:
    """Print a result on standard output, as it is and never wrapped."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, columns aligned; lines are never wrapped, so that scripts can read them."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def numbers(text: str, kind: type[float], option: str, largest: float) -> list[Any]:
    """Comma-separated numbers of an option; raises InputError."""
    try:
        values = [kind(part) for part in text.split(",")]
    except ValueError:
        values = [-1]
    if not all(0 <= value <= largest for value in values):
        raise InputError(f"{option} {text!r}: allowed: numbers from 0 to {largest:g}, with commas")
    return values


def which_part(text: str) -> tuple[int, int]:
    """K and N of the option --part K/N; raises InputError."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise InputError(f"--part {text!r}: allowed: K/N with K from 0 to N - 1")
    return int(match[1]), int(match[2])


def print_error(message: str) -> None:
    """Print a message on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {message}", markup=False)
