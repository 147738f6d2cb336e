"""One transcoder per layer of a model, opened as they are asked for."""

from collections.abc import Callable, Iterable, Mapping

from jaxtyping import Float, Int
from torch import Tensor

from hooke.dictionaries.dictionary import Dictionary, DictionaryConfig
from hooke.dictionaries.replacement import READS, require_layer
from hooke.dictionaries.sparse import SparseActs
from hooke.errors import BadArtefact, UnknownName
from hooke.sites import Site, parse_site


class TranscoderSet:
    """A `Replacement` of transcoders: each is a dictionary that reads an MLP's input and writes its output.

    Raises:
        BadArtefact: a transcoder is of another model, or does not read and write its own layer's MLP.
    """

    def __init__(
        self, name: str, model: str, configs: Mapping[int, DictionaryConfig], load: Callable[[int], Dictionary]
    ) -> None:
        for layer, config in configs.items():
            _require_transcoder(name, model, layer, config)
        self.name, self.model = name, model
        self.layers = tuple(sorted(configs))
        self._configs, self._load = dict(configs), load
        self._open: dict[int, Dictionary] = {}

    def transcoder(self, layer: int) -> Dictionary:
        """The transcoder of a layer; read from its files when it is asked for the first time.

        Raises:
            UnknownName: there is none for this layer.
            BadArtefact: its files are damaged.
        """
        require_layer(self.name, self.layers, layer)
        if layer not in self._open:
            self._open[layer] = self._load(layer)
        return self._open[layer]

    def config(self, layer: int) -> DictionaryConfig:
        """What the transcoder of a layer is; its weights are not read."""
        require_layer(self.name, self.layers, layer)
        return self._configs[layer]

    def reads(self, layer: int) -> Site:
        """What the transcoder of a layer reads."""
        return parse_site(self.config(layer).reads[0])

    def n_features(self, layer: int) -> int:
        """How many features a layer has."""
        return self.config(layer).n_features

    def encode(self, layer: int, x: Float[Tensor, "*pos d_in"]) -> SparseActs:
        """The active features of a layer."""
        return self.transcoder(layer).encode(x)

    def encoder_rows(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, "n d_in"]:
        """What these features respond to."""
        return self.transcoder(layer).W_enc[:, indices].T

    def encoder_biases(self, layer: int, indices: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """What is added to these features' pre-activations."""
        return self.transcoder(layer).b_enc[indices]

    def targets(self, layer: int) -> tuple[int, ...]:
        """The layer itself."""
        require_layer(self.name, self.layers, layer)
        return (layer,)

    def decoder_rows(self, layer: int, indices: Int[Tensor, " n"], target: int) -> Float[Tensor, "n d_out"]:
        """What these features write to their own layer's mlp_out.

        Raises:
            UnknownName: the target is another layer.
        """
        if target != layer:
            raise UnknownName(
                f"Features of layer {layer} of '{self.name}' do not write to layer {target}.",
                "A transcoder writes to its own layer only.",
                "Ask for that, or take a cross-layer transcoder.",
            )
        return self.transcoder(layer).decoder_rows(indices)

    def bias(self, layer: int) -> Float[Tensor, " d_out"]:
        """The decoder's bias of a layer."""
        return self.transcoder(layer).b_dec

    def skip(self, layer: int) -> Float[Tensor, "d_in d_out"] | None:
        """The affine skip of a layer, where it has one."""
        return self.transcoder(layer).skip

    def release(self, layer: int) -> None:
        """Let go of a layer's weights."""
        self._open.pop(layer, None)


def set_of(name: str, transcoders: Iterable[Dictionary]) -> TranscoderSet:
    """A set of transcoders that are in memory.

    Raises:
        BadArtefact: they are of several models, or one is no transcoder.
    """
    by_layer = {one.writes[0].layer or 0: one for one in transcoders}
    model = next(iter(by_layer.values())).config.model
    return TranscoderSet(name, model, {layer: one.config for layer, one in by_layer.items()}, by_layer.__getitem__)


def is_transcoder(config: DictionaryConfig) -> bool:
    """Whether a dictionary reads one layer's MLP input and writes that layer's MLP output."""
    sites = [parse_site(site) for site in (*config.reads, *config.writes)]
    return (
        len(sites) == 2
        and sites[0].kind in READS
        and sites[1].kind == "mlp_out"
        and sites[0].layer == sites[1].layer
        and config.kind != "neurons"
    )


def _require_transcoder(name: str, model: str, layer: int, config: DictionaryConfig) -> None:
    found = f"reads {', '.join(config.reads)} and writes {', '.join(config.writes)} of '{config.model}'"
    if not is_transcoder(config) or parse_site(config.writes[0]).layer != layer or config.model != model:
        raise BadArtefact(
            f"'{config.name}' is no transcoder for layer {layer} of the set '{name}'.",
            f"It {found}; the set is of '{model}'.",
            f"Give one that reads {' or '.join(f'{kind}.{layer}' for kind in READS)} and writes mlp_out.{layer}.",
        )
