"""Write docs/reference/configuration.md from the docstrings of hpc_qlstm/config/.

usage: python scripts/write_configuration_reference.py
A test compares the file with what this prints.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hpc_qlstm.config import BackendConfig, Config, MitigationConfig, NoiseConfig
from hpc_qlstm.data import TASKS

HEAD = """# Configuration

Written by `scripts/write_configuration_reference.py` from `hpc_qlstm/config/`; do not edit.

A configuration is a TOML file with the sections below; every key has a default. An unknown key or
a wrong value is refused with its path, what was given and what is allowed. On the command line
`--set section.key=value` overrides a key. The resolved configuration is saved with the run.
"""


def allowed(schema: dict[str, Any]) -> str:
    """The type and range of a field, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(allowed(s) for s in schema["anyOf"] if s.get("type") != "null")
    if "$ref" in schema:
        return "table, see below"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "value"))
    if kind == "array":
        return f"list of {allowed(schema['items'])}".replace("list of table", "list of tables")
    if kind == "object":
        return "table"
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "over " if "exclusiveMinimum" in schema else "from "
    below = "below " if "exclusiveMaximum" in schema else "to "
    ends = [f"{above}{low:g}"] if low is not None else []
    ends += [f"{below}{high:g}"] if high is not None else []
    return " ".join([kind, *ends])


def section(name: str, model: Any) -> str:
    """One section's table."""
    schema = model.model_json_schema()
    lines = [f"## {name}", "", (model.__doc__ or "").strip(), ""]
    lines += ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for key, about in schema["properties"].items():
        default = about.get("default") if "$ref" not in about else None
        shown = (
            ""
            if default is None
            else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        )
        meaning = re.sub(r"\s+", " ", about["description"])
        lines.append(f"| `{key}` | {shown} | {allowed(about)} | {meaning} |")
    return "\n".join(lines)


def tasks() -> str:
    """The options of every named task."""
    lines = ["## Tasks", "", "`data.task`, and what `data.options` may hold.", ""]
    lines += ["| task | option | default | allowed | meaning |", "|---|---|---|---|---|"]
    for name, task in TASKS.items():
        for option, about in task.options.items():
            lines.append(
                f"| `{name}` | `{option}` | `{about.default}` | {about.allowed} | {about.meaning} |"
            )
    return "\n".join(lines)


def reference() -> str:
    """The whole page."""
    parts = []
    for name, field in Config.model_fields.items():
        parts.append(section(f"[{name}]", field.annotation))
        if name == "engine":
            parts.append(section("[engine.noise]", NoiseConfig))
            parts.append(section("[engine.mitigation]", MitigationConfig))
            parts.append(section("[[engine.backends]]", BackendConfig))
    return "\n\n".join([HEAD.strip(), *parts, tasks()]) + "\n"


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"
    path.write_text(reference(), encoding="utf-8")
