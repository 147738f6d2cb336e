"""SAELens' dictionaries, of its versions to 6: a folder with cfg.json and sae_weights.safetensors.

Encoders are as ours, [d_in, feature]; W_skip is [d_out, d_in]. What SAELens does besides while it computes becomes part
of the weights, in this order, and `folded` says so. Activations keep the scale that SAELens shows them in. With s the
factor of the inputs, r the norms of the decoder's rows, and (x - mean) · M what whitening does:

    gated           W_enc · exp(r_mag), b_mag, and the threshold b_mag - b_gate · exp(r_mag), where the gate opens
    input_scale     W_enc · s,  W_dec / s,  b_dec / s
    decoder_norm    W_enc · r,  b_enc · r,  W_dec / r                  topk there shows activations times r
    whitening       M · W_enc,  W_dec · M⁻¹,  b_dec · M⁻¹ + mean       b_enc - mean · (M · W_enc) without b_dec
    b_dec           b_enc - b_dec · W_enc                              where b_dec is taken from the inputs
    centre          W_enc - its columns' means                         where the model's stream was centred
    norm_gain       as `folding` does                                  where inputs are normalised without gain
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from hooke.dictionaries.claims import Claims
from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig, Kind
from hooke.dictionaries.dictionary import Given as GivenKind
from hooke.dictionaries.formats.folding import fold_norm, require_norms
from hooke.dictionaries.formats.given import Given
from hooke.dictionaries.formats.hooks import WITHOUT_GAIN, site_of_hook, site_of_module
from hooke.dictionaries.formats.saelens_config import CONFIG, WHITENING, Described, read_described
from hooke.dictionaries.formats.weights_file import read_weights
from hooke.errors import BadArtefact, BadConfig, BadRequest, UnknownSite
from hooke.sites import Site, parse_site
from hooke.tensor_files import read_header

WEIGHTS, SPARSITY = "sae_weights.safetensors", "sparsity.safetensors"

# Where TransformerLens' label can stand for another tensor than the one of that name: then the module's path decides.
_MISLEADING = "hook_mlp_in"
# Sites whose numbers change where a model's writing weights were centred.
_STREAM = ("embed", "resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
_LEAST_NORM = 1e-8

_Weights = dict[str, Tensor]


def recognises(path: Path) -> bool:
    """Whether a folder has the two files."""
    return (path / CONFIG).is_file() and (path / WEIGHTS).is_file()


def load(path: Path, given: Given) -> Dictionary:
    """The dictionary in a folder.

    Raises:
        BadArtefact: a file is damaged, or describes what hooke cannot compute.
        BadRequest: the model, the site, the norms or the inputs' factor are needed and not given.
    """
    described = read_described(path, given.input_scale)
    config = _config(described, given)
    weights, folded = _folded(described, _read(described))
    (reads,) = (parse_site(site) for site in config.reads)
    if described.is_centred and reads.kind in _STREAM:
        weights["W_enc"] = weights["W_enc"] - weights["W_enc"].mean(0)
        folded += ("centre",)
    if given.site is None and described.hooks[0].endswith(WITHOUT_GAIN):
        require_norms(given.norms, path)
        assert given.norms is not None
        assert reads.layer is not None
        weights = fold_norm(weights, given.norms(reads.layer), path)
        folded += ("norm_gain",)
    if not all(bool(torch.isfinite(one).all()) for one in weights.values()):
        raise _bad(path, "Once what SAELens computes is folded in, its weights are not finite.")
    return Dictionary(replace(config, folded=(*described.folded, *folded)), **weights)


def _config(described: Described, given: Given) -> DictionaryConfig:
    (reads, writes), kind = _sites(described, given), _kind(described)
    try:
        return DictionaryConfig(
            name=described.folder.resolve().name,
            model=_model(described, given),
            kind=kind,
            reads=(str(reads),),
            writes=(str(writes),),
            n_features=described.d_sae,
            d_in=described.d_in,
            d_out=described.d_out,
            k=described.k,
            groups=described.groups if kind == "matryoshka" else (),
            skip=described.has_skip,
            claims=_claims(described),
        )
    except BadConfig as error:
        raise _bad(described.folder, str(error)) from error


def _model(described: Described, given: Given) -> str:
    model = given.model or described.model
    if not model:
        raise BadRequest(
            f"'{described.folder}' does not say of which model it is.",
            "",
            "Import it with its model: hooke dictionary import FOLDER NAME --model MODEL.",
        )
    return model


def _sites(described: Described, given: Given) -> tuple[Site, Site]:
    model = described.model or given.model or ""
    reads = parse_site(given.site) if given.site else _site(described, 0, model)
    if not described.is_transcoder:
        if given.site is None and described.hooks[0].endswith(WITHOUT_GAIN):
            raise _bad(described.folder, "It writes the stream normalised without the norm's gain: no site of hooke.")
        return reads, reads
    return reads, _site(described, 1, model)


def _site(described: Described, place: int, model: str) -> Site:
    hook, module = described.hooks[place], described.modules[place]
    try:
        if module and (not hook or hook.endswith(_MISLEADING)):
            return site_of_module(module, model)
        return site_of_hook(hook, model)
    except UnknownSite as error:
        verb = "writes" if place else "reads"
        raise BadRequest(
            f"Which site '{described.folder}' {verb} is not plain.",
            f"Its {CONFIG} says '{hook or module:.120}'. {error.found}",
            "Give the site that it reads: --site, such as resid_post.12." if not place else error.do,
        ) from error


def _kind(described: Described) -> Kind | GivenKind:
    """How it was trained, as far as this is told and its weights are of that kind."""
    if described.architecture in ("gated", "topk"):
        return "gated" if described.architecture == "gated" else "topk"
    if not (described.has_thresholds or described.has_one_threshold):
        return "relu"
    if described.trained_as == "matryoshka_batchtopk" and described.groups:
        return "matryoshka"
    if described.trained_as in ("batchtopk", "matryoshka_batchtopk"):
        return "batchtopk"
    return "gated" if described.trained_as == "gated" else "jumprelu"


def _read(described: Described) -> _Weights:
    """The tensors by our names and of our orientation, nothing folded but the gate and factors of decoding."""
    path = described.folder / WEIGHTS
    there = read_header(path)
    n, d_in, d_out = described.d_sae, described.d_in, described.d_out
    per_feature = {"b_gate", "r_mag", "b_mag"} if described.architecture == "gated" else {"b_enc"}
    if described.has_thresholds:
        per_feature.add("log_threshold" if "log_threshold" in there else "threshold")
    if "scaling_factor" in there:
        per_feature.add("scaling_factor")
    expected: dict[str, tuple[int, ...]] = {"W_enc": (d_in, n), "W_dec": (n, d_out), "b_dec": (d_out,)}
    expected |= {"W_skip": (d_out, d_in)} if described.has_skip else {}
    expected |= {"topk_threshold": ()} if described.has_one_threshold else {}
    found = read_weights(path, expected | dict.fromkeys(sorted(per_feature), (n,)))
    if not all(tensor.is_floating_point() for tensor in found.values()):
        raise _bad(path, "Its tensors are not all of floats.")
    found = {name: tensor.float() for name, tensor in found.items()}
    weights = {name: found[name] for name in ("W_enc", "W_dec", "b_dec")}
    if described.architecture == "gated":
        stretch = found["r_mag"].exp()
        weights |= {"W_enc": weights["W_enc"] * stretch, "b_enc": found["b_mag"]}
        weights["threshold"] = found["b_mag"] - found["b_gate"] * stretch
    else:
        weights["b_enc"] = found["b_enc"]
    if described.has_thresholds:
        weights["threshold"] = found["log_threshold"].exp() if "log_threshold" in found else found["threshold"]
    if described.has_one_threshold:
        weights["threshold"] = found["topk_threshold"].expand(n).clone()
    if described.has_skip:
        weights["W_skip"] = found["W_skip"].T.contiguous()
    factor = found.get("scaling_factor")
    if factor is not None and not torch.allclose(factor, torch.ones(n)):
        if not described.scales_activations:
            raise _bad(path, "It has a scaling_factor that is not one, which its config leaves unused.")
        weights["W_dec"] = weights["W_dec"] * factor[:, None]
    return weights


def _folded(described: Described, weights: _Weights) -> tuple[_Weights, tuple[str, ...]]:
    """The weights for inputs as they are, and what was folded into them."""
    folded = ("gate",) if described.architecture == "gated" else ()
    weights = dict(weights)
    if described.input_scale is not None:
        scale = described.input_scale
        weights["W_enc"] = weights["W_enc"] * scale
        weights |= {name: weights[name] / scale for name in ("W_dec", "b_dec")}
        if described.rescales and described.has_one_threshold:
            weights["threshold"] = weights["threshold"] / scale
        folded += (f"input_scale={scale:.6g}",)
    if described.rescales:
        norms = weights["W_dec"].norm(dim=1).clamp(min=_LEAST_NORM)
        weights |= {name: weights[name] * norms for name in ("W_enc", "b_enc")}
        weights["W_dec"] = weights["W_dec"] / norms[:, None]
        folded += ("decoder_norm",)
    if described.is_whitened:
        weights |= _whitened(described, weights)
        folded += ("whitening",)
    if described.subtracts_b_dec:
        weights["b_enc"] = weights["b_enc"] - weights["b_dec"] @ weights["W_enc"]
        folded += ("b_dec",)
    return weights, folded


def _whitened(described: Described, weights: _Weights) -> _Weights:
    d = described.d_in
    shapes: dict[str, tuple[int, ...]] = {"mean": (d,), "matrix": (d, d), "inverse_matrix": (d, d)}
    found = read_weights(described.folder / WHITENING, shapes)
    mean, matrix, inverse = (found[name].double() for name in shapes)
    encoder, decoder = matrix @ weights["W_enc"].double(), weights["W_dec"].double() @ inverse
    folded = {"W_enc": encoder, "W_dec": decoder, "b_dec": weights["b_dec"].double() @ inverse + mean}
    if not described.subtracts_b_dec:
        folded["b_enc"] = weights["b_enc"].double() - mean @ encoder
    return {name: one.float() for name, one in folded.items()}


def _claims(described: Described) -> Claims | None:
    """What its files say; how often each feature fired is another way to say how many are active."""
    claims, path = described.claims, described.folder / SPARSITY
    if (claims is not None and claims.l0 is not None) or not path.is_file():
        return claims
    try:
        logarithms = read_weights(path, {"sparsity": (described.d_sae,)})["sparsity"].double()
    except BadArtefact:
        # What is only said about a dictionary does not keep it from being read.
        return claims
    l0 = float((10**logarithms).sum())
    if not 0 <= l0 <= described.d_sae:
        return claims
    return replace(claims or Claims(source=SPARSITY), source=SPARSITY, l0=l0)


def _bad(path: Path, found: str) -> BadArtefact:
    return BadArtefact(f"'{path}' could not be read as SAELens'.", found, "Fetch a fresh copy.")
