"""`hooke harvest`."""

import pytest

from tests.cli.conftest import Hooke
from tests.cli.tiny_lab import TinyLab

ASKED = "harvest MODEL --name {} --site resid_post.0 --site mlp_out.* --tokens 300 --corpus CORPUS --context 32"


def test_a_store_is_made_and_described(hooke: Hooke, tiny: TinyLab):
    done = hooke(ASKED.format("new") + " --json")
    assert done.code == 0
    data = done.data
    assert data["n_tokens"] == 320, "whole windows of 32"
    assert [site["site"] for site in data["sites"]] == ["mlp_out.0", "resid_post.0", "mlp_out.1", "mlp_out.2"]
    assert tiny.lab.find("activations", "new").samefile(data["folder"])
    need = done.err.splitlines()[0]
    assert need.startswith("harvest: 300 tokens at 4 sites need ")
    assert "MB" in need
    assert "resid_post.0" in hooke(ASKED.format("new")).out, "asked again, it is there"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("harvest MODEL --name x --site resid_pots.1 --corpus CORPUS", "No site 'resid_pots.1'. Did you mean"),
        ("harvest MODEL --name x --site resid_post.9 --corpus CORPUS", "No site 'resid_post.9'. This model has layers"),
        ("harvest MODEL --name x --site logits --corpus no-such.txt", "No corpus 'no-such.txt'."),
        ("harvest MODEL --name ../x --site resid_post.0 --corpus CORPUS", "'../x' is not a name for activations."),
        (
            "harvest MODEL --name x --site resid_post.0 --corpus CORPUS --context 1",
            "Windows need a context of at least",
        ),
        ("harvest MODEL --name x --corpus CORPUS", 'Command "harvest" parameter --site requires an argument.'),
        ("harvest MODEL --name x --site resid_post.0 --storage int4", 'Invalid value "int4" for --storage.'),
        ("harvest no-such --name x --site resid_post.0 --corpus CORPUS", "No model 'no-such'."),
        (ASKED.format("store"), "The name 'store' belongs to another harvest."),
    ],
)
def test_wrong_words(hooke: Hooke, tiny: TinyLab, command: str, said: str):
    before = tiny.lab.names("activations")
    done = hooke(command)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"hooke: {said}")
    assert "Traceback" not in done.err
    assert tiny.lab.names("activations") == before
