"""Pages that are written from the code are up to date; what the README says can be run exists."""

from __future__ import annotations

import csv
import re
import runpy
from pathlib import Path

import pytest

import hpc_qlstm as hq

ROOT = Path(__file__).parents[2]


def test_configuration_reference_is_current():
    script = runpy.run_path(str(ROOT / "scripts" / "write_configuration_reference.py"))
    assert (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8") == script[
        "reference"
    ]()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.name)
def test_examples_are_valid(path):
    assert hq.load_config(path).training.epochs > 0


def test_links_of_the_pages_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_scripts_of_the_readme_are_executable():
    for name in re.findall(r"bash (scripts/\w+\.sh)", (ROOT / "README.md").read_text()):
        assert (ROOT / name).stat().st_mode & 0o111


def test_scaling_numbers_are_those_of_the_stored_tables():
    results, page = ROOT / "docs" / "results" / "scaling", ROOT / "docs" / "guide" / "scaling.md"
    text = page.read_text(encoding="utf-8")
    for title, folder, varied in (
        ("q = 10, batches of 64", "q10-b64", "overlap=off, "),
        ("q = 4, batches of 32", "q4-b32", ""),
    ):
        with (results / folder / "scaling-strong.csv").open() as file:
            two = {row["variant"]: row for row in csv.DictReader(file) if row["P"] == "2"}
        pair = [two[f"{varied}cell_update={update}"] for update in ("root", "replicated")]
        cells = [" / ".join(row[name] for row in pair) for name in ("speed-up", "communication %")]
        assert f"| {title} | {' | '.join(cells)} |" in text
    worth: dict[str, list[str]] = {}
    for line in (results / "worth-adding" / "worth-adding.md").read_text().splitlines():
        words = [word.strip() for word in line.strip("|").split("|")]
        if words[0].isdigit():
            _, q, _, t, _, _, _, most, gain, *_ = words
            worth.setdefault(f"q = {q}, T = {t}", []).append(f"{most} ({gain})")
    assert len(worth) == 8
    for name, cells in worth.items():
        assert f"| {name} | {' | '.join(cells)} |" in text
