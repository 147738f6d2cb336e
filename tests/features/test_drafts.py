from hooke.features.drafts import Explainer
from hooke.features.labelling import Bench
from hooke.features.rule_explainer import RuleExplainer
from hooke.features.speakers import DrySpeaker, Writer
from hooke.features.text_explainer import TextExplainer


def test_explainers_share_one_protocol(bench: Bench):
    writer = Writer(bench.made.evidence.text, bench.vocabulary)
    text = TextExplainer(DrySpeaker("m"), writer, bench.vocabulary, bench.promoted(), source="m")
    assert isinstance(text, Explainer)
    assert isinstance(RuleExplainer(bench.made, bench.vocabulary, bench.promoted()), Explainer)
