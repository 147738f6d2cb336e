"""How good labels by rules are, and those of features of a model that learnt nothing: the numbers of docs/labels.md.

    python bench/labels.py untrained --lab LAB     # weights drawn at random, a dictionary trained on them, its labels
    python bench/labels.py starter --lab LAB       # the starter's features on the same, shorter text
    python bench/labels.py report --lab LAB        # numbers and pictures of docs/labels.md, after `hooke label starter`

Both read the same windows: 8,192 tokens to make labels from, 8,192 to score them on. The untrained model has the
default model's shape and tokenizer; its dictionary (256 features, 8 active) sees the first 8,192 tokens forty times.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from hooke.activations.harvest import harvest
from hooke.activations.sampler import ActivationStore
from hooke.cli.answer import plain_data
from hooke.dictionaries import load_dictionary
from hooke.dictionaries.dictionary import Dictionary
from hooke.features.evidence import read_evidence
from hooke.features.judges import RuleJudge
from hooke.features.label_report import mean_detail, summaries
from hooke.features.labelling import Bench, LabelConfig, beside, label_block, panel, scored
from hooke.features.labels import Label
from hooke.features.logit_effects import logit_effects, prepare
from hooke.features.query import Index
from hooke.features.rule_explainer import RuleExplainer
from hooke.features.scorers import JUDGED, Judged
from hooke.features.trials import TrialMaker
from hooke.features.vocabulary import read_vocabulary
from hooke.lab import Lab
from hooke.models.load import load
from hooke.models.model import Model
from hooke.pages.charts import histogram
from hooke.pages.picture_files import standalone
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig
from hooke.training import TrainConfig
from hooke.training.train import train

DOCS = Path(__file__).resolve().parent.parent / "docs"
SITE = "resid_post.15"
MADE, HELD = 8_192, 8_192
CONFIG = TrainConfig(kind="topk", n_features=256, k=8, batch=1024, n_tokens=40 * MADE, lr=3e-3, seed=0)
N_STARTER = 512


def untrained(model: Model) -> Model:
    """A model of the same shape whose weights are as they are drawn before training."""
    torch.manual_seed(0)
    hf = AutoModelForCausalLM.from_config(model.config).float()
    return Model(hf, model.tokenizer, name=f"untrained-{model.name}", fingerprint="untrained-0")


def dictionary_of(model: Model, lab: Lab) -> Dictionary:
    """A dictionary on the model's own activations."""
    folder = lab.path("dictionaries", model.name)
    if not folder.exists():
        harvested = harvest(model, open_corpus("default"), [SITE], name=model.name, n_tokens=MADE, lab=lab)
        store = ActivationStore.open(harvested)
        generator = torch.Generator().manual_seed(0)
        train(
            CONFIG,
            lambda skip: store.batches(SITE, CONFIG.batch, generator=generator, epochs=None, skip=skip),
            site=SITE,
            model_name=model.name,
            folder=folder,
        )
    return load_dictionary(folder)


def labels_of(model: Model, dictionary: Dictionary, lab: Lab, features: tuple[int, ...]) -> list[Label]:
    """Labels by rules with their scores."""
    read = [
        read_evidence(model, dictionary, open_corpus(ref), n_tokens=n, windows=WindowConfig(), lab=lab)
        for ref, n in (("default", MADE), ("default:heldout", HELD))
    ]
    vocabulary = read_vocabulary(model.tokenizer, model.d_vocab)
    makers = [TrialMaker(one, vocabulary, seed=place) for place, one in enumerate(read)]
    unembedding = prepare(model.unembed_directions(), dictionary.output_rows, vocabulary)
    effects = logit_effects(unembedding, dictionary.output_rows, generator=torch.Generator().manual_seed(0))
    bench = Bench(Index.open("starter", lab=lab), model, *makers)
    explainer, judge = RuleExplainer(bench.made, vocabulary, effects.promoted), RuleJudge(bench.held)
    scorers = [Judged(name, task, judge) for name, task in JUDGED.items()]
    config = LabelConfig(
        explainer="rule", scorers=tuple(JUDGED), judge="rule", features=tuple(range(dictionary.n_features))
    )
    others = panel(bench, explainer, config)
    drafts = [draft for feature in features for draft, _ in label_block(bench, explainer, [feature])]
    return [scored(bench, one, scorers, beside(one.feature, others, config)) for one in drafts if one is not None]


def report(lab: Lab) -> dict[str, object]:
    """How the starter's labels score, with two pictures: their own, and other features' on the same passages."""
    index = Index.open("smollm2-res", lab=lab)
    labels = [label for label in index.labels.each() if label.scores]
    main_scores = [label.main for label in labels if label.main is not None]
    edges = np.linspace(0.3, 1, 15)
    words = [f"{edge:.1f}" if place % 2 == 0 else "" for place, edge in enumerate(edges)]
    pictures = {
        "own": ("Detection: each feature's own label", [score.value for score in main_scores]),
        "others": (
            "Detection: other features' labels on the same passages, the mean of 40",
            [score.null for score in main_scores if score.null is not None],
        ),
    }
    for name, (title, values) in pictures.items():
        counts = np.histogram(values, edges)[0].tolist()
        picture = histogram(counts, words, title=title, x_title="balanced accuracy")
        (DOCS / f"labels-{name}.svg").write_text(standalone(picture), encoding="utf-8")
    kinds = {kind: [label for label in labels if label.kind == kind] for kind in sorted({one.kind for one in labels})}
    return {
        "n_labels": len(labels),
        "scores": plain_data(summaries(labels)),
        "detail": mean_detail(labels, "detection"),
        "kinds": {kind: plain_data(summaries(some)[:1]) for kind, some in kinds.items()},
    }


def main() -> None:
    """Label one of both and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["untrained", "starter", "report"])
    parser.add_argument("--lab", type=Path, required=True)
    words = parser.parse_args()
    lab = Lab(words.lab.resolve())
    if words.which == "report":
        print(json.dumps(report(lab)))
        return
    model = load("smollm2-135m", lab=lab)
    if words.which == "untrained":
        model = untrained(model)
        dictionary = dictionary_of(model, lab)
        features = tuple(range(dictionary.n_features))
    else:
        dictionary = load_dictionary("starter")
        drawn = torch.randperm(dictionary.n_features, generator=torch.Generator().manual_seed(0))[:N_STARTER]
        features = tuple(sorted(drawn.tolist()))
    labels = labels_of(model, dictionary, lab, features)
    values = [label.main.value for label in labels if label.main is not None]
    found = {
        "which": words.which,
        "n_features": len(features),
        "scores": plain_data(summaries(labels)),
        "detail": mean_detail(labels, "detection"),
        "detection": sorted(values),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
