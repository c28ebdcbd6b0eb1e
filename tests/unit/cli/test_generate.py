# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made from the parser: completions, man pages, documentation."""

import subprocess
import sys
from pathlib import Path

import pytest

from kapsule.cli import generate
from kapsule.cli.parser import build
from kapsule.options.document import to_markdown
from kapsule.options.table import CREATE_OPTIONS

ROOT = Path(__file__).parents[3]

# Completes the words behind it as an interactive shell would.
_COMPLETE = """
kapsule() { [ "$*" = "list --names" ] && printf 'dev\\nother\\n'; }
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _shtab_kapsule; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory into which everything was written."""
    directory: Path = tmp_path_factory.mktemp("generated")
    subprocess.run([sys.executable, "-m", "kapsule.cli.generate", directory], check=True)
    return directory


def _complete(made: Path, *words: str) -> list[str]:
    script = made / "completions" / "bash" / "kapsule"
    command = ["bash", "-c", _COMPLETE, "bash", str(script), *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return ended.stdout.split()


def test_everything_is_written_where_the_installation_looks(made: Path) -> None:
    """A man page for each verb, completions for each shell, the options as a page."""
    files = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    verbs = ["enter", "create", "list", "info", "start", "stop", "restart", "rm", "config", "image"]
    verbs += ["mount", "unmount", "trust", "chown"]
    assert files == {
        "options.md",
        "man/kapsule.1",
        "man/kap.1",
        *(f"man/kapsule-{verb}.1" for verb in verbs),
        "completions/bash/kapsule",
        "completions/zsh/_kapsule",
        "completions/fish/kapsule.fish",
        "completions/fish/kap.fish",
    }


def test_bash_completes_verbs_flags_and_containers(made: Path) -> None:
    """Names of containers are asked for when they are needed."""
    assert _complete(made, "kapsule", "sto") == ["stop"]
    assert _complete(made, "kapsule", "start", "") == ["dev", "other"]
    assert _complete(made, "kapsule", "enter", "o") == ["other"]
    assert _complete(made, "kapsule", "rm", "dev", "ot") == ["other"]
    assert "--no-gpu" in _complete(made, "kapsule", "create", "--no")
    assert _complete(made, "kapsule", "create", "--custom-mounts", "/us") == ["/usr"]


def test_a_new_name_is_not_completed(made: Path) -> None:
    """What exists cannot be created."""
    assert _complete(made, "kapsule", "create", "d") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_alias_is_completed_and_hidden_flags_are_not(made: Path, shell: str) -> None:
    """`kap` is the same command."""
    scripts = "".join(path.read_text() for path in (made / "completions" / shell).iterdir())
    assert any(" kap" in line for line in scripts.splitlines())
    assert "no-osc" not in scripts
    assert "list --names" in scripts


def test_man_pages_have_name_synopsis_and_options(made: Path) -> None:
    """And say which version they are of."""
    page = (made / "man" / "kapsule-create.1").read_text()
    assert "kapsule\\-create \\- create a container" in page
    assert ".SH SYNOPSIS" in page
    assert "\\fB\\-\\-no\\-mount\\-home\\fR" in page
    assert '"kapsule ' in page.splitlines()[0]


def test_the_page_of_options_is_up_to_date() -> None:
    """docs/options.md is what scripts/generate makes of the table."""
    assert (ROOT / "docs" / "options.md").read_text() == to_markdown(CREATE_OPTIONS)


def test_a_page_does_not_depend_on_the_terminal(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build is the same wherever it runs."""
    monkeypatch.setenv("COLUMNS", "40")
    generated = generate.man_pages(build())["kapsule-list.1"]
    assert (
        generated.splitlines()[1:] == (made / "man" / "kapsule-list.1").read_text().splitlines()[1:]
    )
