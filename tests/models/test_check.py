import torch

from hooke.models.model import Tokens
from tests.models.tiny import tiny_model

IDS = torch.randint(3, 128, (2, 12), generator=torch.Generator().manual_seed(0))


def test_the_report_names_every_contract_and_the_worst_of_each() -> None:
    report = tiny_model("llama").check(IDS)
    assert report.holds
    assert {contract.equation for contract in report.contracts} == set(report.worst())
    for equation, worst in report.worst().items():
        errors = [contract.error for contract in report.contracts if contract.equation == equation]
        assert worst.error == max(errors)


def test_padding_is_part_of_the_check() -> None:
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[1, 5:] = False
    report = tiny_model("llama").check(Tokens(IDS, mask))
    assert report.holds
    assert "a padded batch gives what one by one gives" in report.worst()


def test_tampering_breaks_the_check() -> None:
    """The numeric contract is no formality: a hook that someone leaves behind is caught."""
    model = tiny_model("llama")
    model.anatomy.blocks[1].register_forward_hook(lambda module, args, output: output * 1.01)
    report = model.check(IDS)
    assert not report.holds
    assert any(contract.site == "resid_post.1" for contract in report.contracts if not contract.holds)
