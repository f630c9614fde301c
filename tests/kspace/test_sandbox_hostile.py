"""A child that a file has taken over can say what it likes: it is not believed."""

import io
from pathlib import Path

import pytest

from datasets.kspace.errors import HeaderError, KSpaceError, ReaderDiedError, ReaderTimeoutError
from datasets.kspace.report import Wish
from datasets.kspace.sandbox import Limits, Sandbox, SandboxError
from tests.kspace.hostile import NONSENSE, PNG, hostile

LIMITS = Limits(wall_seconds=20)
WISH = Wish(format="png")


def render(mode: str, limits: Limits = LIMITS) -> dict[str, bytes]:
    with Sandbox(limits, command=hostile(mode)) as sandbox:
        return sandbox.render(io.BytesIO(bytes(1000)), WISH).contents


def test_an_honest_answer_is_believed() -> None:
    assert render("honest") == {"001.png": PNG}


@pytest.mark.parametrize("mode", NONSENSE)
def test_nonsense_is_an_error_of_the_file(mode: str) -> None:
    with pytest.raises(ReaderDiedError, match="talked nonsense"):
        render(mode)


def test_pictures_without_end_are_not_taken() -> None:
    with pytest.raises(ReaderDiedError, match="larger than they may be"):
        render("endless pictures")


def test_questions_without_end_are_not_answered() -> None:
    with pytest.raises(ReaderDiedError, match="more bytes are asked for"):
        render("reading for ever")


def test_a_death_in_the_middle_of_a_frame() -> None:
    with pytest.raises(ReaderDiedError, match="came to its end"):
        render("death in a frame")


@pytest.mark.parametrize("mode", ["silence", "drips"])
def test_silence_and_slowness_have_an_end(mode: str) -> None:
    with pytest.raises(ReaderTimeoutError):
        render(mode, LIMITS._replace(wall_seconds=0.5))


def test_a_sentence_is_one_line_and_not_endless() -> None:
    with pytest.raises(HeaderError) as caught:
        render("a sentence of many lines")
    sentence = str(caught.value)
    assert sentence.startswith("One [31m two . xxx")
    assert sentence.isprintable()
    assert len(sentence) == 300


def test_the_child_does_not_choose_which_class_is_raised() -> None:
    with pytest.raises(KSpaceError, match="Out") as caught:
        render("an error that is none")
    assert type(caught.value) is KSpaceError


def test_one_that_does_not_start_is_no_error_of_the_file() -> None:
    with pytest.raises(SandboxError, match=r"did not start \(status 1\)"):
        render("no start")


def test_a_path_is_not_read_for_the_child(tmp_path: Path) -> None:
    """It has the descriptor; questions about another file are nonsense."""
    (tmp_path / "file").write_bytes(bytes(1000))
    with Sandbox(LIMITS, command=hostile("reading for ever")) as sandbox, pytest.raises(ReaderDiedError):
        sandbox.describe(tmp_path / "file")
