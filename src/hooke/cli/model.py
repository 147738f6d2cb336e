"""`hooke model ...`: what can be loaded, a model's sites, the contract between them, and talking to it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter
from rich.console import RenderableType
from rich.text import Text

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions, ModelRef
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest, HookeError
from hooke.pages.numerals import number, visible
from hooke.sites import KINDS, Site

if TYPE_CHECKING:
    import hooke.models.edits
    import hooke.models.model

_HELP_IN_CHAT = "/steer FEATURE STRENGTH, /edits FILE, /edits, /clear, /quit"


def list_models(*, everywhere: Everywhere = Everywhere()) -> Answer:
    """List the models that can be loaded by name, and those in the lab.

    Those in the lab were converted from a file, or made by `hooke specimen build`. Besides these, a folder with
    config.json and safetensors, an id on the hub (owner/name) and a .gguf file can be loaded.
    """
    from hooke.models.zoo import ZOO, installed_version

    models = [
        {
            "name": name,
            "installed": installed_version(name),
            "licence": one.licence,
            "about": one.about,
            "do": one.install,
        }
        for name, one in ZOO.items()
    ]
    rows = [(one["name"], "yes" if one["installed"] else one["do"], one["licence"], one["about"]) for one in models]
    converted = everywhere.lab.names("models")
    shown: list[RenderableType] = [table(("name", "installed", "licence", "about"), rows)]
    if converted:
        shown += ["", table(("in the lab",), [(name,) for name in converted])]
    return Answer(data={"models": models, "converted": converted}, shown=tuple(shown))


def info(
    model: ModelRef, /, *, loading: ModelOptions = ModelOptions(), everywhere: Everywhere = Everywhere()
) -> Answer:
    """Show a model's size and its sites, and which sites it refuses."""
    opened = loading.load(model, everywhere.lab)
    facts = {
        "architecture": str(getattr(opened.config, "model_type", "unknown")),
        "parameters": sum(parameter.numel() for parameter in opened.hf.parameters()),
        "layers": opened.n_layers,
        "d_model": opened.d_model,
        "vocabulary": opened.d_vocab,
        "context": opened.context,
        "dtype": str(opened.dtype).removeprefix("torch."),
        "device": str(opened.device),
    }
    sites = [_site_facts(opened, kind) for kind in KINDS if _sites(opened, kind)]
    refusals = list(opened.refusals.values())
    rows = [(one["sites"], one["width"], " × ".join(one["axes"]), one["meaning"]) for one in sites]
    shown: list[RenderableType] = [
        title(opened.name),
        table(("", ""), [(name, number(fact) if isinstance(fact, int) else fact) for name, fact in facts.items()]),
        "",
        table(("site", "width>", "axes", "what it holds"), rows),
    ]
    if refusals:
        shown += ["", table(("refused", "why", "instead"), [(one.what, one.why, one.instead) for one in refusals])]
    return Answer(data={"name": opened.name, **facts, "sites": sites, "refusals": refusals}, shown=tuple(shown))


def _sites(model: "hooke.models.model.Model", kind: str) -> list[Site]:
    every = [Site(kind, layer) for layer in range(model.n_layers)] if KINDS[kind].is_layered else [Site(kind)]
    return [site for site in every if model.has(site)]


def _site_facts(model: "hooke.models.model.Model", kind: str) -> dict[str, Any]:
    sites = _sites(model, kind)
    about = KINDS[kind]
    return {
        "sites": f"{kind}.{sites[0].layer}–{sites[-1].layer}" if about.is_layered else kind,
        "layers": [site.layer for site in sites],
        "width": "prompt" if kind == "pattern" else model.width(sites[0]),
        "axes": about.axes,
        "meaning": about.meaning,
    }


def check(
    model: ModelRef,
    /,
    *,
    text: tuple[str, ...] = (),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Measure the contract between a model's sites on text.

    The residual stream must add up, heads and neurons must give what their modules put out, the last site must
    unembed to the logits, and edits that change nothing must change nothing. The exit code is 1 where one does not
    hold.

    Parameters
    ----------
    text
        A text to run; may be given several times.
    """
    report = loading.load(model, everywhere.lab).check(list(text) or None)
    rows = [
        (
            equation,
            sum(one.equation == equation for one in report.contracts),
            worst.site,
            f"{worst.error:.1e}",
            f"{worst.limit:.0e}",
            Text("holds") if worst.holds else Text("FAILS", style="bold"),
        )
        for equation, worst in report.worst().items()
    ]
    verdict = "Every contract holds." if report.holds else "Do not trust the sites whose contracts fail."
    shown = (
        title(report.model, f"{len(report.contracts)} measurements"),
        table(("contract", "sites>", "worst at", "error>", "limit>", ""), rows),
        note(verdict),
    )
    data = {"model": report.model, "holds": report.holds, "contracts": report.contracts, "refusals": report.refusals}
    return Answer(data=data, shown=shown, exit_code=0 if report.holds else 1)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class ChatOptions:
    """How the model answers."""

    prompt: str | None = None
    """Ask this one thing and stop; without it, a conversation begins."""
    edits: Path | None = None
    """A JSON file with edits that are in force from the start."""
    max_tokens: int = 200
    """Longest answer."""
    temperature: float = 0.0
    """0 takes the likeliest token each time."""
    top_p: float = 1.0
    """Sample from the smallest set of tokens that holds this much probability."""
    seed: int = 0
    """Seed of the sampling."""


def chat(
    model: ModelRef = "smollm2-135m",
    /,
    *,
    options: ChatOptions = ChatOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer | None:
    """Talk to a model, with edits in force.

    In a conversation these words act on the edits instead of being sent: /steer FEATURE STRENGTH adds a feature's
    direction, /edits FILE reads edits from a file, /edits shows them, /clear drops them, /quit ends.
    """
    if options.prompt is None and everywhere.json:
        raise BadRequest("A conversation has no JSON form.", "", "Add --prompt TEXT, or leave --json out.")
    edits = read_edits(options.edits) if options.edits else []
    conversation = Conversation(loading.load(model, everywhere.lab), options, edits)
    if options.prompt is not None:
        answer = "".join(conversation.answer(options.prompt))
        data = {"model": conversation.model.name, "prompt": options.prompt, "answer": answer}
        return Answer(data={**data, "edits": conversation.described()}, shown=(Text(_harmless(answer)),))
    _converse(conversation)
    return None


def read_edits(path: Path) -> list["hooke.models.edits.Edit"]:
    """The edits in a JSON file.

    Raises:
        BadRequest: the file cannot be read.
        BadConfig: it does not hold edits.
    """
    from hooke.models.edits import edits_from_json

    try:
        return edits_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        do = "Give a JSON file with a list of edits."
        raise BadRequest(f"The edits in '{path}' could not be read.", f"{error}.", do) from error


@dataclass
class Conversation:
    """Turns so far, and the edits in force."""

    model: "hooke.models.model.Model"
    options: ChatOptions
    edits: list["hooke.models.edits.Edit"]
    turns: list[dict[str, str]] = field(default_factory=list)

    def answer(self, text: str) -> Iterator[str]:
        """What the model says next, piece by piece; the turn is kept when it is complete."""
        import torch

        if not getattr(self.model.tokenizer, "chat_template", None):
            raise BadRequest(f"{self.model.name} cannot chat.", "It has no chat template.", "Use an instruct model.")
        turns = [*self.turns, {"role": "user", "content": text}]
        prompt = self.model.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        ids = torch.tensor(self.model.tokenizer(prompt, add_special_tokens=False)["input_ids"])
        pieces = self.model.generate(
            ids,
            edits=self.edits,
            max_tokens=min(self.options.max_tokens, max(1, self.model.context - len(ids))),
            temperature=self.options.temperature,
            top_p=self.options.top_p,
            generator=torch.Generator(device=self.model.device).manual_seed(self.options.seed + len(self.turns)),
            stream=True,
        )
        said = ""
        for piece in pieces:
            said += piece
            yield piece
        self.turns = [*turns, {"role": "assistant", "content": said}]

    def described(self) -> list[str]:
        """The edits in one line each."""
        return [repr(edit) for edit in self.edits]

    def obey(self, line: str) -> str:
        """Carry out a command about the edits, and say what was done.

        Raises:
            BadRequest: there is no such command, or its words are wrong.
        """
        from hooke.models.edits import Add
        from hooke.sites import parse_feature

        match line.split():
            case ["/clear"]:
                self.edits = []
                return "No edits are in force."
            case ["/edits"]:
                return "\n".join(self.described()) or "No edits are in force."
            case ["/edits", path]:
                self.edits = read_edits(Path(path))
                return f"{len(self.edits)} edits are in force."
            case ["/steer", feature, strength] if _is_number(strength):
                name = parse_feature(feature)
                self.edits = [*self.edits, Add(site=str(name.site), vector=str(name), scale=float(strength))]
                return f"{feature} is turned up by {strength}."
        raise BadRequest(f"'{line}' is not understood.", "", f"There are {_HELP_IN_CHAT}.")


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _converse(conversation: Conversation) -> None:
    """Lines from standard input, until it ends or /quit. A refusal is told and the conversation goes on."""
    is_watched = sys.stdin.isatty()
    if is_watched:
        print(f"{conversation.model.name}. {_HELP_IN_CHAT}")
    while True:
        if is_watched:
            print("\n> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line or line.strip() == "/quit":
            return
        if not line.strip():
            continue
        try:
            if line.startswith("/"):
                print(conversation.obey(line.strip()))
            else:
                for piece in conversation.answer(line.strip()):
                    print(_harmless(piece), end="", flush=True)
                print()
        except HookeError as error:
            print(f"hooke: {visible(str(error))}", file=sys.stderr)


def _harmless(text: str) -> str:
    """The model's words with line breaks kept and everything else that a terminal would obey made visible."""
    return "\n".join(visible(line) for line in text.split("\n"))
