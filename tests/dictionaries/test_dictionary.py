import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, check_fits, weight_shapes
from hooke.errors import BadConfig, ShapeMismatch, UnknownSite
from hooke.sites import Site

KINDS = {
    "relu": {},
    "topk": {"k": 3},
    "batchtopk": {"k": 3},
    "groupmax": {"k": 5},
    "jumprelu": {},
    "matryoshka": {"k": 3, "groups": (4, 10)},
}


def config(kind: str = "topk", **changes) -> DictionaryConfig:
    settings = {"n_features": 10, "d_in": 6, "d_out": 5, **KINDS[kind], **changes}
    return DictionaryConfig(
        name="small", model="none", kind=kind, reads=("mlp_in.1",), writes=("mlp_out.1",), **settings
    )


def dictionary(kind: str = "topk", seed: int = 0, **changes) -> Dictionary:
    described = config(kind, **changes)
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(shape, generator=generator) for name, shape in weight_shapes(described).items()}
    if "threshold" in tensors:
        tensors["threshold"] = tensors["threshold"].abs()
    return Dictionary(described, **tensors)


def inputs(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def expected_acts(kind: str, made: Dictionary, x: Tensor) -> Tensor:
    """The activations, written out without any of the code under test."""
    pre = x @ made.W_enc + made.b_enc
    if kind == "relu":
        return pre.clamp(min=0)
    if kind == "topk":
        kept = pre >= pre.sort(dim=-1, descending=True).values[..., 2:3]
        return (pre * kept).clamp(min=0)
    if kind == "groupmax":
        kept = pre == pre.unflatten(-1, (5, 2)).amax(-1).repeat_interleave(2, -1)
        return (pre * kept).clamp(min=0)
    assert made.threshold is not None
    return pre * (pre > made.threshold)


@pytest.mark.parametrize("kind", KINDS)
def test_encode_finds_the_active_features_of_every_token(kind: str):
    made, x = dictionary(kind), inputs(2, 4, 6)
    acts = made.encode(x)
    torch.testing.assert_close(acts.dense(), expected_acts(kind, made, x))
    assert acts.values.shape[:2] == (2, 4)
    assert bool((acts.values.diff(dim=-1) <= 0).all())


@pytest.mark.parametrize("kind", KINDS)
def test_decode_is_the_dense_product(kind: str):
    made, x = dictionary(kind), inputs(7, 6)
    acts = made.encode(x)
    # Two orders of summation of at most ten float32 products.
    torch.testing.assert_close(made.decode(acts), acts.dense() @ made.W_dec + made.b_dec, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(made(x), made.decode(acts))


@pytest.mark.parametrize("kind", KINDS)
@given(index=st.integers(0, 9))
def test_one_feature_alone_is_the_same_as_among_all(kind: str, index: int):
    made, x = dictionary(kind), inputs(3, 5, 6)
    torch.testing.assert_close(made.encode_feature(x, index), made.encode(x).dense()[..., index])


def test_width_is_the_largest_active_count():
    made = dictionary("relu")
    acts = made.encode(inputs(50, 6))
    assert acts.values.shape[-1] == int(acts.l0().max())
    assert int(acts.l0().min()) < int(acts.l0().max())


def test_no_active_feature_gives_the_decoder_bias():
    made = dictionary("jumprelu")
    assert made.threshold is not None
    made.threshold.data.fill_(1e6)
    x = inputs(4, 6)
    assert made.encode(x).l0().tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(made(x), made.b_dec.expand(4, 5))


def test_an_activation_at_its_threshold_is_not_active():
    made = dictionary("jumprelu")
    assert made.threshold is not None
    made.W_enc.data.zero_()
    made.b_enc.data.copy_(made.threshold.data)
    assert int(made.encode(inputs(3, 6)).l0().sum()) == 0


def test_no_tokens_are_encoded_and_decoded_as_none():
    for kind in KINDS:
        made = dictionary(kind)
        assert made(inputs(0, 6)).shape == (0, 5)


def test_the_largest_of_a_group_is_the_bar_of_its_features():
    made, x = dictionary("groupmax"), inputs(50, 6)
    pre = x @ made.W_enc + made.b_enc
    for index in (0, 7):
        first = index - index % 2
        torch.testing.assert_close(made.bar(x, index), pre[:, first : first + 2].amax(-1).clamp(min=0))


def test_groups_that_do_not_divide_the_features_are_refused():
    with pytest.raises(BadConfig, match="divides the number of features"):
        config("groupmax", k=3)
    with pytest.raises(BadConfig, match="k = None"):
        config("groupmax", k=None)


def test_half_precision_inputs_meet_float32_weights():
    made, x = dictionary("topk"), inputs(4, 6).half()
    assert made(x).dtype == torch.float32
    torch.testing.assert_close(made(x), made(x.float()))


def test_the_skip_multiplies_what_is_read_from_the_right():
    made, x = dictionary("topk", skip=True), inputs(4, 6)
    plain = made.decode(made.encode(x))
    torch.testing.assert_close(made(x), plain + torch.einsum("td,do->to", x, made.skip))
    # The activations do not pass through it.
    torch.testing.assert_close(made.encode(x).dense(), dictionary("topk", skip=True).encode(x).dense())
    square, x = dictionary("topk", skip=True, d_out=6), inputs(4, 6)
    assert square.skip is not None
    assert not torch.allclose(square(x), square.decode(square.encode(x)) + x @ square.skip.T, atol=1e-2)


def test_a_skip_and_its_config_go_together():
    with pytest.raises(ShapeMismatch, match="W_skip"):
        Dictionary(config(), **dict(dictionary("topk", skip=True).state_dict()))


@pytest.mark.parametrize("kind", ["topk", "jumprelu"])
def test_signed_activations_keep_what_is_below_zero(kind: str):
    made, x = dictionary(kind, signed=True), inputs(50, 6)
    made.b_enc.data -= 2
    if made.threshold is not None:
        made.threshold.data.fill_(-1.5)
    pre = x @ made.W_enc + made.b_enc
    kept = pre > -1.5 if kind == "jumprelu" else pre >= pre.topk(3).values[:, -1:]
    acts = made.encode(x)
    torch.testing.assert_close(acts.dense(), pre * kept)
    assert bool((acts.values < 0).any())
    torch.testing.assert_close(made.encode_feature(x, 3), acts.dense()[:, 3])


def test_decoder_rows_are_given_by_index():
    made = dictionary("topk")
    torch.testing.assert_close(made.decoder_rows(torch.tensor([7, 0])), made.W_dec[[7, 0]])


def test_sites_and_names_come_from_the_config():
    made = dictionary("relu")
    assert made.reads == (Site("mlp_in", 1),)
    assert made.writes == (Site("mlp_out", 1),)
    assert (made.name, made.n_features) == ("small", 10)
    assert all(not parameter.requires_grad for parameter in made.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"n_features": 0},
        {"d_in": -1},
        {"k": 0},
        {"k": 11},
        {"k": None},
        {"reads": ()},
        {"kind": "matryoshka", "groups": (4, 9)},
        {"kind": "matryoshka", "groups": (4, 4, 10)},
        {"kind": "matryoshka", "groups": ()},
    ],
)
def test_impossible_configs_are_refused(changes: dict):
    settings = {"name": "x", "model": "m", "kind": "topk", "reads": ("embed",), "writes": ("embed",)}
    settings |= {"n_features": 10, "d_in": 6, "d_out": 6, "k": 3}
    with pytest.raises(BadConfig):
        DictionaryConfig(**(settings | changes))


@pytest.mark.parametrize("kind", ["topk", "jumprelu"])
def test_weights_of_another_shape_are_refused(kind: str):
    described = config(kind)
    tensors = {name: torch.zeros(shape) for name, shape in weight_shapes(described).items()}
    # Shapes that agree with each other, so that only the config can tell.
    narrow = {"W_dec": torch.zeros(10, 4), "b_dec": torch.zeros(4)}
    with pytest.raises(ShapeMismatch, match=r"W_dec.*\(10, 4\)"):
        Dictionary(described, **(tensors | narrow))
    without = {"threshold": torch.zeros(10)} if kind == "topk" else {"threshold": None}
    with pytest.raises(ShapeMismatch, match="threshold"):
        Dictionary(described, **(tensors | without))


class FakeModel:
    name = "fake"

    def __init__(self, width: int) -> None:
        self._width = width

    def row_width(self, site: Site) -> int:
        if site.layer is not None and site.layer > 1:
            raise UnknownSite(f"No site '{site}'.")
        return self._width


def test_a_dictionary_of_another_model_is_refused():
    made = dictionary("topk", d_out=6)
    check_fits(made, FakeModel(6))
    with pytest.raises(ShapeMismatch, match="reads 6 numbers at mlp_in.1; the model has 8"):
        check_fits(made, FakeModel(8))
    with pytest.raises(ShapeMismatch, match="writes 5 numbers at mlp_out.1; the model has 6"):
        check_fits(dictionary("topk"), FakeModel(6))


@pytest.mark.parametrize(("kind", "k"), [("relu", None), ("topk", 2)])
def test_a_feature_with_a_margin_below_zero_is_silent_and_others_fire(kind: str, k: int | None):
    generator = torch.Generator().manual_seed(0)
    config = DictionaryConfig(
        name="d", model="m", kind=kind, reads=("embed",), writes=("embed",), n_features=8, d_in=4, d_out=4, k=k
    )  # fmt: skip
    rows = torch.randn(8, 4, generator=generator)
    made = Dictionary(config, W_enc=rows.T.contiguous(), b_enc=torch.zeros(8), W_dec=rows, b_dec=torch.zeros(4))
    x = torch.randn(20, 4, generator=generator)
    assert torch.equal(made.margins(x) < 0, made.encode(x).dense() <= 0)
    for index in range(8):
        assert torch.allclose(made.margins(x)[:, index], made.pre_activations(x)[:, index] - made.bar(x, index))
