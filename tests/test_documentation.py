"""Pages that are written from the code are up to date; what the README says can be run exists."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import hpc_qlstm as hq

ROOT = Path(__file__).parents[1]


def test_configuration_reference_is_current():
    script = runpy.run_path(str(ROOT / "scripts" / "write_configuration_reference.py"))
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == script["reference"]()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.name)
def test_examples_are_valid(path):
    assert hq.load_config(path).training.epochs > 0


def test_links_of_the_pages_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_scripts_of_the_readme_are_executable():
    for name in re.findall(r"bash (scripts/\w+\.sh)", (ROOT / "README.md").read_text()):
        assert (ROOT / name).stat().st_mode & 0o111
