import pytest
import torch

from hooke.errors import BadConfig
from hooke.models.plain_tensors import (
    finite_tensor,
    require_finite,
    row_or_feature,
    tensor_from_data,
    tensor_to_data,
    whole_feature,
)


def test_numbers_come_back_to_the_bit():
    value = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(tensor_from_data(tensor_to_data(value)), value)
    assert torch.equal(tensor_from_data([1, 2.5]), torch.tensor([1, 2.5]))


def test_what_is_none_is_refused():
    with pytest.raises(BadConfig, match="Give shape and float32"):
        tensor_from_data({"shape": [1]})
    with pytest.raises(BadConfig, match="not finite"):
        finite_tensor(torch.tensor([float("inf")]))
    with pytest.raises(BadConfig, match="one axis"):
        row_or_feature(torch.ones(2, 2))
    with pytest.raises(BadConfig, match="names no dictionary"):
        whole_feature("resid_post.1/3")
    for value in (float("nan"), True, "1"):
        with pytest.raises(BadConfig, match="finite number"):
            require_finite("scale", value)
