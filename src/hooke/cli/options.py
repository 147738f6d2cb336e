"""Options that several verbs share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Group, Parameter
from markupsafe import Markup

from hooke.lab import Lab, open_lab

if TYPE_CHECKING:
    import hooke.features.query
    import hooke.models.model
    import hooke.text.documents
    import hooke.text.windows

_TEXT = Group("Text", sort_key=4)
_MODEL = Group("Model", sort_key=5)
_EVERYWHERE = Group("Everywhere", sort_key=9)

ModelRef = Annotated[
    str, Parameter(help="A name from `hooke model list`, a folder, an id on the hub (owner/name) or a .gguf file.")
]


@Parameter(name="*", group=_EVERYWHERE)
@dataclass(frozen=True, kw_only=True, slots=True)
class Everywhere:
    """What every verb takes."""

    lab_folder: Annotated[Path | None, Parameter(name="--lab")] = None
    """Folder where artefacts live: $HOOKE_LAB, or `lab` in the current folder, unless given."""
    json: bool = False
    """Print one JSON object on standard output, and nothing else there."""
    debug: bool = False
    """Show where an error arose."""

    @property
    def lab(self) -> Lab:
        """The lab in force."""
        return open_lab(self.lab_folder)


@Parameter(name="*", group=_MODEL)
@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """How a model is loaded."""

    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU when there is one."""
    dtype: str = "auto"
    """float32, bfloat16 or float16; auto is float32 on a CPU and the model's own elsewhere."""
    revision: str | None = None
    """Branch, tag or commit of a model on the hub."""

    def load(self, ref: str, lab: Lab) -> "hooke.models.model.Model":
        """The model that a reference names."""
        from hooke.models.load import load

        return load(ref, device=self.device, dtype=self.dtype, revision=self.revision, lab=lab)


@Parameter(name="*", group=_TEXT)
@dataclass(frozen=True, kw_only=True, slots=True)
class TextOptions:
    """Which text is read, and how it is cut."""

    corpus: str = "default"
    """default, default/wiki-en, default:heldout, a text file, a folder, a .jsonl or .parquet file, or hf:NAME."""
    column: str = "text"
    """Column that holds the text of a .jsonl or .parquet file or of a data set on the hub."""
    context: int = 256
    """Tokens in a window."""
    windows_at_once: int = 8
    """Windows that run through the model together."""

    def open(self) -> "hooke.text.documents.Corpus":
        """The corpus."""
        from hooke.text.corpora import open_corpus

        return open_corpus(self.corpus, column=self.column)

    def windows(self) -> "hooke.text.windows.WindowConfig":
        """How it is cut."""
        from hooke.text.windows import WindowConfig

        return WindowConfig(context=self.context, batch=self.windows_at_once)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOptions:
    """Which index is asked, and where the answer is written."""

    index: str | None = None
    """Name of an index; the starter's, or the only one in the lab, unless given."""
    model: str | None = None
    """Where the index's model is, if its name alone does not lead to it: a folder, an id on the hub, a .gguf file."""
    html: Path | None = None
    """Write what is shown as an HTML page, too."""

    def open(self, lab: Lab, *, dictionary: str | None = None) -> "hooke.features.query.Index":
        """The index, by default that of a dictionary's name.

        Raises:
            UnknownName: there is none, or it is not plain which is meant.
        """
        from hooke.features.query import Index

        names = lab.names("features")
        only = names[0] if len(names) == 1 else "starter"
        return Index.open(self.index or dictionary or only, lab=lab)

    def write(self, index: "hooke.features.query.Index", heading: str, parts: Callable[[], dict[str, Markup]]) -> None:
        """Write the answer as an HTML page, where one was asked for: parts by their headings.

        Raises:
            BadRequest: the place cannot be written to.
        """
        if self.html is None:
            return
        from hooke.pages.page import Section, page, write_page

        sections = [
            Section(name=f"part-{place}", title=name, body=body) for place, (name, body) in enumerate(parts().items())
        ]
        about = index.manifest
        provenance = {"index": about.name, "dictionary": about.dictionary, "model": about.model, "text": about.corpus}
        write_page(self.html, page(heading, sections, provenance=provenance))

    def load_model(
        self, index: "hooke.features.query.Index", loading: ModelOptions, lab: Lab
    ) -> "hooke.models.model.Model":
        """The model that an index is of."""
        return loading.load(self.model or index.manifest.model, lab)
