"""The specimen and its twin say the same; only one has a direction for it."""

import torch

from hooke.specimens.planted_concept import ALIVE, ANIMALS, FEATURE, MADE, SITE, planted_concept


def test_both_say_the_same_and_only_one_has_the_direction():
    made = planted_concept()
    texts = [one.text for one in made.items]
    for arm, model in made.models.items():
        run = model.run(texts, capture=[SITE])
        assert run.logits is not None
        last = run.tokens.lengths - 1
        said = run.logits[torch.arange(len(texts)), last].argmax(-1)
        words = model.tokenizer.convert_ids_to_tokens(said.tolist())
        assert words == [ALIVE if one.label else MADE for one in made.items], arm
        along = made.dictionary.encode_feature(run[SITE][torch.arange(len(texts)), last], FEATURE)
        fires = [one.label and arm == "specimen" for one in made.items]
        assert (along > 0.1).tolist() == fires


def test_no_two_groups_share_an_animal_or_a_thing():
    made = planted_concept()
    groups = {one.group for one in made.items}
    assert len(groups) == len(ANIMALS) == 16
    names = [name for group in groups for name in group.split("/")]
    assert len(set(names)) == 32
    assert not {token for row in made.text.tokens.tolist() for token in row} & set(
        made.models["twin"].tokenizer.convert_tokens_to_ids(names)
    )
