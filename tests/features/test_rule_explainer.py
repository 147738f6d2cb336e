from hooke.features.labelling import Bench, label_block
from hooke.features.rule_explainer import RuleExplainer


def drafts(bench: Bench) -> list:
    explainer = RuleExplainer(bench.made, bench.vocabulary, bench.promoted())
    return [draft for draft, _ in label_block(bench, explainer, list(range(6)))]


def test_planted_tokens_are_found(bench: Bench):
    found = drafts(bench)
    assert set(found[0].text.removeprefix("tokens ").replace('"', "").split(", ")) == {"bridge", "river"}
    assert set(found[2].text.removeprefix("tokens ").replace('"', "").split(", ")) in ({"7", "42"}, {"digits"})
    assert found[3].text == 'token "bridge"'
    assert {draft.source for draft in (found[0], found[2], found[3])} == {"rule"}
    assert found[0].rule is not None


def test_what_never_or_always_fires_gets_none(bench: Bench):
    found = drafts(bench)
    assert [found[1], *found[4:]] == [None, None, None]
