from hooke.dictionaries import load_dictionary
from hooke.server.training_jobs import JOBS, HarvestArguments, TrainArguments
from tests.cli.tiny_lab import TinyLab


def test_a_dictionary_is_harvested_for_and_trained(server_lab: TinyLab):
    lab = server_lab.lab
    harvest = HarvestArguments(
        name="by-job",
        model=str(server_lab.model),
        sites=["resid_post.1"],
        corpus=str(server_lab.corpus),
        tokens=1000,
        context=32,
    )
    assert JOBS["harvest"].work(lab, harvest) == {"activations": "by-job"}
    train = TrainArguments(
        name="by-job", activations="by-job", site="resid_post.1", n_features=16, k=2, n_tokens=2048, batch=256
    )
    assert JOBS["train"].work(lab, train) == {"dictionary": "by-job"}
    assert load_dictionary("by-job", lab=lab).n_features == 16
