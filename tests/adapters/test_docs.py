"""docs/device-profile.md shows profiles and mistakes that are what the program takes and says."""

from __future__ import annotations

import re

import pytest

from biogate_adapters.profile import ProfileError, load_profile_file


@pytest.fixture
def page(project):
    return (project / "docs" / "device-profile.md").read_text(encoding="utf-8")


@pytest.fixture
def example(page):
    (text,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    return text


def test_the_example_is_a_profile(example, tmp_path):
    file = tmp_path / "scale-3000.yaml"
    file.write_text(example, encoding="utf-8")
    profile = load_profile_file(file)
    assert [signal.name for signal in profile.signals] == ["weight", "tare_limit"]
    assert profile.by_name["tare_limit"].writable


def test_the_shown_mistakes_are_what_the_program_says(page, example, tmp_path):
    file = tmp_path / "scale-3000.yaml"
    wrong = example.replace("word_order:", "word_oder:").replace("format: int32", "format: int23")
    file.write_text(wrong, encoding="utf-8")
    with pytest.raises(ProfileError) as error:
        load_profile_file(file)
    said = [str(problem).replace(f"{tmp_path}/", "") for problem in error.value.problems]
    shown = re.findall(r"^scale-3000\.yaml:.*$", page, flags=re.MULTILINE)
    assert said == shown
