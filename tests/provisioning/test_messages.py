"""Every error a user can meet is explained in both languages."""

import ast
import string
from pathlib import Path

import pytest

import provisioning
from provisioning import errors
from provisioning.messages import LANGUAGES, catalogue, language_of_locale

ERROR_CLASSES = {name for name, item in vars(errors).items() if isinstance(item, type)}
SOURCES = sorted(Path(provisioning.__file__).parent.rglob("*.py"))


def raised():
    """(file, code, keyword names) of every `SomeError("code", field=...)` in the package."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ERROR_CLASSES
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield path.name, node.args[0].value, {keyword.arg for keyword in node.keywords}


RAISED = sorted(raised(), key=lambda one: (*one[:2], sorted(one[2])))  # the same order in every process


def gaps(sentences):
    return {field for sentence in sentences for _, field, _, _ in string.Formatter().parse(sentence) if field}


def test_there_are_many_errors_to_look_at():
    assert len(RAISED) > 50


@pytest.mark.parametrize(
    ("file", "code", "fields"), RAISED, ids=lambda value: value if isinstance(value, str) else "-".join(sorted(value))
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_raised_error_has_three_sentences_whose_gaps_it_fills(file, code, fields, language):
    sentences = catalogue()[code][language]

    assert len(sentences) == 3
    assert all(sentence.strip() for sentence in sentences)
    assert gaps(sentences) <= fields


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_both_languages_say_the_same_with_the_same_gaps(code):
    entry = catalogue()[code]

    assert set(entry) == set(LANGUAGES)
    assert gaps(entry["de"]) == gaps(entry["en"])


def test_every_explained_error_can_still_happen():
    known = {code for _, code, _ in RAISED} | {"internal"}
    phrases = {code for code in catalogue() if code.startswith(("say-", "step-")) and code != "step-needs"}

    assert set(catalogue()) - phrases <= known


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "de_AT"}, "de"),
        ({}, "en"),
    ],
)
def test_the_language_follows_the_locale(monkeypatch, variables, language):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert language_of_locale() == language
