"""One affine map for each layer."""

import torch

from hooke.prompts.affine_maps import AffineMaps


def test_each_layer_has_its_own_map_and_rows_stand_left():
    weights = torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    maps = AffineMaps(weights, torch.tensor([[0.0, 0.0], [5.0, 6.0]]))
    stream = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0]], dtype=torch.float64)
    assert maps(stream, 0).tolist() == [[1.0, 2.0], [0.0, 1.0], [2.0, 7.0]]
    assert maps(stream, 1).tolist() == [[5.0, 6.0]] * 3
