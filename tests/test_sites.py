"""Names of sites and features: what is written is what is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hooke.errors import HookeError, UnknownName, UnknownSite
from hooke.sites import KINDS, FeatureName, Site, expand_sites, parse_feature, parse_site

LAYERED = [name for name, kind in KINDS.items() if kind.is_layered]
PLAIN = [name for name, kind in KINDS.items() if not kind.is_layered]

sites = st.one_of(
    st.builds(Site, st.sampled_from(LAYERED), st.integers(0, 999_999)), st.builds(Site, st.sampled_from(PLAIN))
)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
features = st.builds(FeatureName, sites, st.integers(0, 999_999_999), st.none() | names)


@given(sites)
def test_a_site_is_read_as_it_is_written(site: Site):
    assert parse_site(str(site)) == site


@given(features)
def test_a_feature_is_read_as_it_is_written(feature: FeatureName):
    assert parse_feature(str(feature)) == feature
    assert parse_feature(f" {feature}\n") == feature


@given(st.text())
def test_any_text_is_a_site_or_a_refusal(text: str):
    try:
        site = parse_site(text)
    except UnknownSite:
        return
    assert parse_site(str(site)) == site


@given(st.text(st.sampled_from("resid_post.15/1234@ab*\n"), max_size=30))
def test_any_text_is_a_feature_or_a_refusal(text: str):
    try:
        feature = parse_feature(text)
    except HookeError:
        return
    assert parse_feature(str(feature)) == feature


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("blocks.3.hook_resid_post", Site("resid_post", 3)),
        ("blocks.3.hook_mlp_out", Site("mlp_out", 3)),
        ("blocks.3.attn.hook_z", Site("z", 3)),
        ("blocks.3.attn.hook_rot_q", Site("q", 3)),
        ("blocks.3.mlp.hook_post", Site("neurons", 3)),
        ("blocks.3.mlp.hook_in", Site("mlp_in", 3)),
        ("blocks.3.mlp.hook_out", Site("mlp_out", 3)),
        ("hook_embed", Site("embed")),
        ("model.layers.3", Site("resid_post", 3)),
        ("transformer.h.3.output", Site("resid_post", 3)),
        ("gpt_neox.layers.3.input", Site("resid_pre", 3)),
        ("model.layers.3.mlp", Site("mlp_out", 3)),
    ],
)
def test_other_tools_spellings_are_read(text: str, site: Site):
    assert parse_site(text) == site
    assert parse_feature(f"{text}/7@d") == FeatureName(site, 7, "d")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resid_pots.15", "No site 'resid_pots.15'. Did you mean 'resid_post.15'? Kinds of site: embed,"),
        ("resid_post", "Site 'resid_post' needs a layer. Found None. Write it like 'resid_post.0'."),
        ("resid_post.", "No site 'resid_post.'. '' is not a layer number."),
        ("resid_post.x", "No site 'resid_post.x'. 'x' is not a layer number."),
        ("resid_post.-1", "'-1' is not a layer number."),
        ("resid_post.\u0663", "is not a layer number."),
        ("resid_post." + "9" * 5000, "is not a layer number."),
        ("blocks." + "9" * 5000 + ".hook_resid_post", "No site"),
        ("embed.3", "Site 'embed' has no layers. Found 3. Write 'embed'."),
        ("embed.", "No site 'embed.'."),
        ("", "No site ''."),
        ("resid_post.1.2", "'1.2' is not a layer number."),
    ],
)
def test_what_is_no_site_is_refused_by_name(text: str, said: str):
    with pytest.raises(UnknownSite) as caught:
        parse_site(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "12", "resid_post.1", "resid_post.1/", "resid_post.1/x", "resid_post.1/-1", "/3@d"]
)
def test_what_is_no_feature_is_refused(text: str):
    with pytest.raises(UnknownName, match="Write 'resid_post.15/1234'"):
        parse_feature(text)


@pytest.mark.parametrize("arguments", [("resid_pots", 1), ("resid_post", None), ("resid_post", -1), ("embed", 0)])
def test_a_site_that_cannot_be_is_never_made(arguments: tuple[str, int | None]):
    with pytest.raises(UnknownSite):
        Site(*arguments)


def test_wildcards_stand_for_sites_in_the_order_of_the_forward_pass():
    assert expand_sites(["resid_post.*"], 3) == tuple(Site("resid_post", layer) for layer in range(3))
    assert [str(site) for site in expand_sites(["logits", "*_out.1", "embed", "resid_post.0"], 2)] == [
        "embed", "resid_post.0", "attn_out.1", "mlp_out.1", "logits",
    ]  # fmt: skip
    assert len(expand_sites(["*"], 4)) == len(PLAIN) + 4 * len(LAYERED)
    assert expand_sites(["***"], 4) == expand_sites(["*"], 4)
    assert expand_sites([], 4) == ()


@given(
    st.lists(
        st.one_of(st.builds(Site, st.sampled_from(LAYERED), st.integers(0, 4)), st.builds(Site, st.sampled_from(PLAIN)))
    )
)
def test_names_stand_for_themselves_once(given_sites: list[Site]):
    found = expand_sites([*given_sites, *map(str, given_sites)], 5)
    assert set(found) == set(given_sites)
    assert len(found) == len(set(found))
    assert list(found) == sorted(found, key=lambda site: site.depth)


@pytest.mark.parametrize("pattern", ["resid_post.3", Site("resid_post", 3), "resid_pots.*", "*.3", "*" * 60 + "x"])
def test_what_a_model_does_not_have_is_refused(pattern: str | Site):
    with pytest.raises(UnknownSite, match="layers 0-2"):
        expand_sites([pattern], 3)


def test_depth_follows_the_forward_pass():
    order = ["embed", "resid_pre.0", "attn_out.0", "resid_mid.0", "mlp_in.0", "neurons.0", "mlp_out.0", "resid_post.0"]
    order += ["resid_pre.1", "resid_post.1", "final_norm", "logits"]
    depths = [parse_site(name).depth for name in order]
    assert depths == sorted(depths)
    assert len(set(depths)) == len(depths)
