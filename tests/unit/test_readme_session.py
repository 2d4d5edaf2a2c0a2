"""The script that runs the README's session, and the rules for that session."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from local.cli.welcome import welcome
from local.places import ROOT

README = """
## Before

```sh
not this
```

## A session

```sh
echo '{"id": 1}'
```

```json
{"id": …}
```

```sh
ID=2
```

```sh
echo "$ID"
```

```text
2
```

## After

```sh
nor this
```
"""
ARMING = ("/_clock", "/_faults", "/_outage", "/_webhooks", "/_cards", "/_settings", "/paper/faults", "/paper/paths")
SHELLS = [name for name in ("bash", "zsh") if shutil.which(name)]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_session", ROOT / "scripts/readme_session.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


script: Any = _script()


def test_a_session_is_a_list_of_pastes_and_expected_output() -> None:
    steps = [(step.pasted, step.answer) for step in script.session(README)]
    assert steps == [("echo '{\"id\": 1}'\n", '{"id": …}\n'), ("ID=2\n", ""), ('echo "$ID"\n', "2\n")]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_keeps_its_variables_between_pastes(shell: str) -> None:
    with script.Shell(shell, 4000) as opened:
        for step in script.session(README):
            script.compare(step, opened.paste(step.pasted))
        assert opened.paste("echo $PORT").strip() == "4000"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("wrong", ["false", "no-such-command", "exit 0"])
def test_a_failing_command_is_reported_with_what_was_pasted(shell: str, wrong: str) -> None:
    with script.Shell(shell, 4000) as opened, pytest.raises(script.Differs, match=wrong):
        opened.paste(wrong)


@pytest.mark.skipif("zsh" not in SHELLS, reason="there is no zsh")
def test_zsh_behaves_as_an_interactive_shell() -> None:
    with script.Shell("zsh", 4000) as opened:
        assert opened.paste("echo a # b").strip() == "a # b"
        with pytest.raises(script.Differs, match="no matches found"):
            opened.paste("echo http://127.0.0.1?x=1")


@pytest.mark.parametrize(
    ("expected", "came", "same"),
    [
        ('{"a": 1}', '{"a":1}\n', True),
        ('[{"a": …}, {"b": 2}]', '[{"a":"x","c":1},{"b":2}]', True),
        ("…", "", True),
        ("", "\n", True),
        ("", "{}", False),
        ('{"a": 1}', '{"a":12}', False),
        ('{"a": …}', '{"b":1}', False),
        ("a.c", "abc", False),
    ],
)
def test_output_is_compared_without_white_space(expected: str, came: str, same: bool) -> None:
    step = script.Step("pasted", expected)
    if same:
        script.compare(step, came)
    else:
        with pytest.raises(script.Differs, match="The README says"):
            script.compare(step, came)


def test_the_commands_in_the_welcome_are_found() -> None:
    lines = script.lines_to_paste(" 1.0 s  loading …\n" + welcome("http://127.0.0.1:4000", "", ""))
    assert [line.partition(" ")[0] for line in lines] == ["TOKEN=$(curl", "curl", "curl"]
    with pytest.raises(SystemExit):
        script.lines_to_paste("")


def test_the_session_of_the_readme_injects_no_faults_and_has_no_comments() -> None:
    steps = list(script.session((ROOT / "README.md").read_text(encoding="utf-8")))
    assert len(steps) > 5
    for step in steps:
        assert not [path for path in ARMING if path in step.pasted]
        assert not [line for line in step.pasted.splitlines() if line.lstrip().startswith("#") or " # " in line]
        assert ":3000" not in step.pasted


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def answer(text: str) -> None:
        monkeypatch.setattr(script, "fetch", lambda *_: text)

    return answer


def test_waiting_for_demo_data_is_bounded(answers: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    answers("Demo data: complete.")
    script.await_demo_data("http://127.0.0.1:4000")
    answers("Demo data: being written.")
    monkeypatch.setattr(script, "DEMO_SECONDS", 0)
    with pytest.raises(script.Differs, match="demo data"):
        script.await_demo_data("http://127.0.0.1:4000")
