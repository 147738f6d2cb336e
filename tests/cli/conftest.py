"""A lab that the commands under test work in, and a way to call them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.tiny_lab import TinyLab, make_tiny_lab


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as the one JSON object that it must be."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


Hooke = Callable[[str], Done]


@pytest.fixture
def hooke(tiny: TinyLab, capsys: pytest.CaptureFixture[str]) -> Hooke:
    """Calls the command line in this process; MODEL and CORPUS stand for the tiny ones."""
    from hooke.cli.app import main

    def call(command: str) -> Done:
        code = main(tiny.words(command))
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyLab:
    """A model, a dictionary, a store of activations and an index."""
    from hooke.cli.app import main

    made = make_tiny_lab(Path(tmp_path_factory.mktemp("tiny")))
    store = "harvest MODEL --name store --site resid_post.1 --site mlp_out.0 --tokens 1500 --corpus CORPUS --context 32"
    index = "index tiny --tokens 2000 --corpus CORPUS --context 32"
    for command in (store, index):
        assert main(made.words(command)) == 0, command
    return made
