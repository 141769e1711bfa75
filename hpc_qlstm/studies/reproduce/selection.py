"""How settings were chosen: every one that was tried, by its error on a validation tail.

The last 20 % of the training windows stand for the test part (`data.validation_fraction`), which no
run here sees. Three seeds each. What was tried is in settings/selection.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.reproduce.literature import TASKS
from hpc_qlstm.studies.reproduce.paper import PAPER, TABLES
from hpc_qlstm.studies.reproduce.report import Found, Report, seeds_of
from hpc_qlstm.studies.reproduce.rows import Row, Settings, configured, shipped

SEEDS = 3
AS_BEGUN = "as begun"
TRIED = shipped("selection")
TEXT: Mapping[str, str] = TRIED["text"]


@dataclass(frozen=True)
class Search:
    """What was tried on a task: every entry of `tried` with every model, as overrides of `begin`.

    models: the overrides that make each of them, by name.
    """

    task: str
    begin: Settings
    models: Mapping[str, str]
    tried: Sequence[str]

    @property
    def title(self) -> str:
        """Its heading."""
        name = PAPER[self.task]["title"] if self.task in TABLES else self.task
        return f"Classical LSTM: {name}" if "classical" in self.models else name

    def row(self, model: str, given: str) -> str:
        """The name of a row."""
        return f"{self.task}|{model}|{given or AS_BEGUN}"

    def rows(self, overrides: Sequence[str]) -> Iterator[Row]:
        """A row for every setting and model. Raises InputError."""
        own = PAPER[self.task]["settings"] if self.task in TABLES else TASKS[self.task]["series"]
        settings = TRIED["common"], self.begin, {"data": own["data"]}
        for given in self.tried:
            for model, words in self.models.items():
                both = [*words.split(), *given.split(), *overrides]
                yield Row(self.row(model, given), configured(both, *settings))

    def table(self, found: Found) -> str:
        """Markdown: of one model all errors, smallest first; of several the means, as tried."""
        several = len(self.models) > 1
        rows = {g: [found[self.row(model, g)] for model in self.models] for g in self.tried}
        order = self.tried if several else sorted(rows, key=lambda given: rows[given][0].mean())
        lines = []
        for given in order:
            errors = [f"{each.mean():.1e}" if several else each.error for each in rows[given]]
            lines.append([(given or AS_BEGUN).replace("_", "\\_"), *errors])
        return table(("settings", *(self.models if several else ["validation error"])), lines)


def searches() -> Iterator[Search]:
    """All of them: on the tasks of the literature, for the tables, for the classical LSTM."""
    words = dict[str, str]()
    for name, text in TRIED["words"].items():
        words[name] = text.format_map(words)
    for each in TRIED["searches"]:
        for task, lists in each["tasks"].items():
            tried = [text.format_map(words) for name in lists for text in TRIED["tried"][name]]
            yield Search(task, each["begin"], each["models"], tried)


def selection_rows(overrides: Sequence[str]) -> list[Row]:
    """A row for every setting tried. Raises InputError."""
    return [row for search in searches() for row in search.rows(overrides)]


def selection_report(found: Found) -> Report:
    """A table for each task of the literature and for each of the paper's."""
    fraction = 100 * TRIED["common"]["data"]["validation_fraction"]
    return Report(
        found,
        ("seed", "test_mse"),
        TEXT["title"],
        [
            TEXT["how"].format(percent=fraction, seeds=seeds_of(found)),
            TEXT["narma_5"],
            *(f"## {search.title}\n\n{search.table(found)}" for search in searches()),
        ],
    )
