"""`hooke label`: labels for the features of a dictionary, and how good they are."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter
from rich.console import RenderableType

from hooke.cli.answer import Answer
from hooke.cli.options import Everywhere, ModelOptions
from hooke.cli.terminal import note, table, title
from hooke.errors import BadRequest, UnknownName
from hooke.lab import Lab
from hooke.pages.numerals import interval, number, percent

if TYPE_CHECKING:
    import hooke.chat
    import hooke.features.drafts
    import hooke.features.labelling
    import hooke.features.query
    import hooke.features.scorers
    import hooke.features.speakers
    import hooke.models.model
    import hooke.text.documents

Maker = Literal["rules", "endpoint", "local"]
Named = Literal["detection", "fuzzing", "intruder", "simulation", "embedding", "output"]
USUAL: tuple[Named, ...] = ("detection", "fuzzing", "intruder", "simulation")
CHEAP: tuple[Named, ...] = ("detection", "fuzzing")

_ENDPOINT = Group("Endpoint", sort_key=5)


@Parameter(name="*", group=_ENDPOINT)
@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointOptions:
    """Which OpenAI-compatible endpoint is asked, and what it may cost."""

    endpoint: str | None = None
    """Its base address, such as https://host/v1; $HOOKE_ENDPOINT_URL unless given. The key is $HOOKE_ENDPOINT_KEY."""
    endpoint_model: str | None = None
    """The model that it is asked for."""
    price_in: float | None = None
    """Price of a million tokens that it reads."""
    price_out: float | None = None
    """Price of a million tokens that it writes."""
    limit_cost: float | None = None
    """Most that may be spent; what was answered by then is kept."""
    timeout: float = 60.0
    """Seconds that an answer may take."""
    at_once: Annotated[int, Parameter(name="--at-once")] = 4
    """Features that it is asked about at the same time."""

    def open(self, lab: Lab) -> "hooke.chat.Chat":
        """A client of the endpoint.

        Raises:
            BadRequest: no address or model was given, or a limit without prices.
        """
        from hooke.chat import Chat, Endpoint

        if not self.endpoint_model:
            raise BadRequest("No model of the endpoint was named.", "", "Give --endpoint-model NAME.")
        found = Endpoint.given(
            self.endpoint_model,
            self.endpoint,
            price_in=self.price_in,
            price_out=self.price_out,
            timeout=self.timeout,
        )
        return Chat(found, kept=lab.root / "features" / ".answers", limit=self.limit_cost)


def label(
    dictionary: str,
    /,
    *,
    explainer: Maker = "rules",
    judge: Maker | None = None,
    scorers: tuple[Named, ...] = (),
    features: str = "all",
    heldout: str | None = None,
    tokens: int = 131_072,
    seed: int = 0,
    model: str | None = None,
    estimate: bool = False,
    asking: EndpointOptions = EndpointOptions(),
    loading: ModelOptions = ModelOptions(),
    everywhere: Everywhere = Everywhere(),
) -> Answer:
    """Label the features of a dictionary, and score the labels on text that they were not made from.

    The dictionary needs an index (`hooke index`). Two texts are read once with the model, one to make labels from and
    one to score them on; then rules take milliseconds a feature. A job that was stopped goes on where it was when it
    is asked for again with the same words. Each score stands beside that of other features' labels on the same text.

    Parameters
    ----------
    dictionary
        Name of an index in the lab, of a dictionary that has one, or `starter`.
    explainer
        Who makes the labels: rules, by counting, offline; endpoint, a language model over HTTP; local, the model
        itself, which must be able to chat; where its first answers are nonsense the job stops.
    judge
        Who answers the scorers: rules can for rules only; the explainer itself unless given.
    scorers
        detection, fuzzing, intruder, simulation, embedding (needs hooke[meaning]), output (steers the model). All
        but the last two for rules, detection and fuzzing where each answer is asked for, unless given.
    features
        all, numbers and ranges such as 0-99,512, or so many at random, such as random:200.
    heldout
        Text to score on. The default corpus keeps its own; of other texts every other document is kept for it.
    tokens
        How many tokens each of the two texts has.
    seed
        What passages, features at random and the labels that others are scored beside are drawn by.
    model
        Where the model is, if its name alone does not lead to it.
    estimate
        Only say what asking the endpoint would cost at most.
    """
    from hooke.features.labelling import LabelConfig, label_index
    from hooke.features.query import Index

    judge, lab = judge or explainer, everywhere.lab
    if judge == "rules" and explainer != "rules":
        raise BadRequest("Rules judge rules only.", "", "Give --judge endpoint or --judge local.")
    if tokens < 1:
        raise BadRequest(f"{tokens} tokens are no text.", "", "Give a number above 0.")
    opened = Index.open(dictionary, lab=lab)
    chat = asking.open(lab) if "endpoint" in (explainer, judge) else None
    names = {"rules": "rule", "endpoint": chat.name if chat else "", "local": opened.manifest.model}
    chosen = scorers or (USUAL if judge == "rules" else CHEAP)
    config = LabelConfig(
        explainer=names[explainer],
        scorers=tuple(dict.fromkeys(chosen)),
        judge=names[judge],
        features=features_in(features, len(opened), seed),
        n_beside=40 if judge == "rules" else 1,
        n_tokens=tokens,
        seed=seed,
    )

    job = _Job(config, explainer, judge, chat, asking.at_once, lambda ref: loading.load(model or ref, lab), heldout)
    if chat is not None:
        about = job.estimate(opened, asking.limit_cost)
        if estimate:
            return Answer(data=about, shown=(title("Estimate", "at most"), table(("", ""), _rows(about))))
        sys.stderr.write(f"hooke: {_said(about)}\n")
    elif estimate:
        raise BadRequest("Only asking an endpoint costs.", "", "Give --explainer endpoint, or leave --estimate out.")
    done = label_index(dictionary, lab, config, job.prepare)
    return _answer(done, config, chat)


class _Job:
    """Who makes labels and what scores them, each as it was asked for."""

    def __init__(
        self,
        config: "hooke.features.labelling.LabelConfig",
        explainer: Maker,
        judge: Maker,
        chat: "hooke.chat.Chat | None",
        at_once: int,
        load: Callable[[str], "hooke.models.model.Model"],
        heldout: str | None,
    ) -> None:
        self._config = config
        self._explainer: Maker = explainer
        self._judge: Maker = judge
        self._chat, self._at_once, self._load, self._heldout = chat, at_once, load, heldout
        self._bench: hooke.features.labelling.Bench | None = None

    def prepare(
        self, index: "hooke.features.query.Index", speaker: "hooke.features.speakers.Speaker | None" = None
    ) -> "hooke.features.labelling.Prepared":
        """Both texts, who makes labels, and what scores them; `speaker` answers instead of the endpoint."""
        from hooke.features.labelling import open_bench
        from hooke.features.speakers import Writer
        from hooke.features.text_explainer import TextExplainer

        config = self._config
        if self._bench is None:
            texts = texts_of(index, self._heldout)
            subject = self._load(index.manifest.model)
            self._bench = open_bench(index, subject, *texts, n_tokens=config.n_tokens, seed=config.seed)
        bench = self._bench
        if self._explainer == "rules":
            from hooke.features.rule_explainer import RuleExplainer

            return bench, RuleExplainer(bench.made, bench.vocabulary, bench.promoted()), self._scorers(bench, speaker)
        made = TextExplainer(
            self._speaker(self._explainer, bench, speaker),
            Writer(bench.made.evidence.text, bench.vocabulary),
            bench.vocabulary,
            bench.promoted(),
            source=config.explainer,
            at_once=self._at_once if self._explainer == "endpoint" else 1,
        )
        return bench, made, self._scorers(bench, speaker)

    def estimate(self, index: "hooke.features.query.Index", limit: float | None) -> dict[str, float | int | None]:
        """What asking would come to at most, from some features of the job asked of nobody."""
        from hooke.features.labelling import rehearse
        from hooke.features.speakers import DrySpeaker

        assert self._chat is not None
        dry = DrySpeaker(self._chat.name)
        times = rehearse(self._config, *self.prepare(index, dry))
        n_in, n_out = round(dry.n_in * times), round(dry.n_out * times)
        return {
            "n_features": len(self._config.features),
            "n_calls": round(dry.n_calls * times),
            "n_in": n_in,
            "n_out": n_out,
            "cost": self._chat.endpoint.cost(n_in, n_out),
            "limit": limit,
        }

    def _speaker(
        self, who: Maker, bench: "hooke.features.labelling.Bench", given: "hooke.features.speakers.Speaker | None"
    ) -> "hooke.features.speakers.Speaker":
        from hooke.features.speakers import LocalSpeaker

        if who == "endpoint":
            assert self._chat is not None
            return given or self._chat
        return LocalSpeaker(bench.model)

    def _scorers(
        self, bench: "hooke.features.labelling.Bench", speaker: "hooke.features.speakers.Speaker | None"
    ) -> list["hooke.features.scorers.Scorer"]:
        from hooke.features.embedding_scorer import EmbeddingScorer, installed_encoder
        from hooke.features.judges import RuleJudge
        from hooke.features.output_scorer import OutputScorer
        from hooke.features.scorers import JUDGED, Judged
        from hooke.features.speakers import Writer
        from hooke.features.text_judge import TextJudge

        held, vocabulary = bench.held.evidence, bench.vocabulary
        if self._judge == "rules":
            judge = RuleJudge(bench.held)
        else:
            judge = TextJudge(self._speaker(self._judge, bench, speaker), Writer(held.text, vocabulary))
        found: list[hooke.features.scorers.Scorer] = []
        for name in self._config.scorers:
            if name in JUDGED:
                found.append(Judged(name, JUDGED[name], judge))
            elif name == "embedding":
                found.append(EmbeddingScorer(installed_encoder(), held, vocabulary))
            else:
                index = bench.index
                found.append(OutputScorer(bench.model, index.dictionary, held, vocabulary, index.maxima))
        return found


def texts_of(
    index: "hooke.features.query.Index", heldout: str | None
) -> tuple["hooke.text.documents.Corpus", "hooke.text.documents.Corpus"]:
    """The text that labels are made from, and the one that they are scored on."""
    from hooke.features.labelling import halves
    from hooke.text.corpora import open_corpus

    name = index.manifest.corpus
    corpus = open_corpus(name)
    if heldout is not None:
        return corpus, open_corpus(heldout)
    if name.partition("/")[0] == "default":
        return corpus, open_corpus(f"{name}:heldout")
    return halves(corpus)


def features_in(text: str, n: int, seed: int) -> tuple[int, ...]:
    """The features that words such as all, 0-99,512 or random:200 name.

    Raises:
        BadRequest: they name none.
        UnknownName: one is not in the index.
    """
    import numpy as np

    if text == "all":
        return tuple(range(n))
    if match := re.fullmatch(r"random:(\d{1,9})", text):
        drawn = np.random.default_rng((seed, 2)).permutation(n)[: int(match[1])]
        return tuple(np.sort(drawn).tolist())
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part.strip())
        if match is None:
            raise BadRequest(f"'{text:.60}' names no features.", "", "Give all, 0-99,512 or random:200.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last >= n:
            raise UnknownName(f"No feature {last}.", f"The index has the features 0–{n - 1}.", "Choose some of them.")
        found |= set(range(first, last + 1))
    if not found:
        raise BadRequest(f"'{text:.60}' names no features.", "", "Give all, 0-99,512 or random:200.")
    return tuple(sorted(found))


def _said(about: dict[str, float | int | None]) -> str:
    cost = "its price is not known" if about["cost"] is None else f"at most {about['cost']:.2f} in the endpoint's money"
    limit = "" if about["limit"] is None else f", of which {about['limit']:g} may be spent"
    return (
        f"about {number(about['n_calls'])} calls that read {number(about['n_in'])} tokens and write at most "
        f"{number(about['n_out'])}: {cost}{limit}."
    )


def _rows(about: dict[str, float | int | None]) -> list[tuple[str, str]]:
    names = {"n_in": "tokens read", "n_out": "tokens written"}
    return [(names.get(key, key.removeprefix("n_")), number(value)) for key, value in about.items()]


def _answer(
    done: "hooke.features.labelling.Labelled",
    config: "hooke.features.labelling.LabelConfig",
    chat: "hooke.chat.Chat | None",
) -> Answer:
    from hooke.features.label_report import summaries

    found = summaries(done.labels)
    data = {
        "index": done.folder.name,
        "folder": done.folder,
        "explainer": config.explainer,
        "judge": config.judge,
        "n_labels": len(done.labels),
        "n_rare": done.n_rare,
        "n_failed": done.n_failed,
        "scores": found,
        "spent": chat.spent if chat else None,
    }
    rows = [
        (
            one.scorer,
            number(one.n_labels),
            f"{one.median:.3f}",
            f"{one.mean.value:.3f} {interval(one.mean.interval)}",
            "–" if one.null is None else f"{one.null.value:.3f} {interval(one.null.interval)}",
            f"{number(one.n_better)} ({percent(one.n_better / one.n_labels)})",
        )
        for one in found
    ]
    columns = ("score", "labels>", "median>", "mean", "others' labels", "better than others'")
    shown: list[RenderableType] = [
        title(done.folder.name, f"{number(len(done.labels))} labels by {config.explainer}, judged by {config.judge}"),
        table(columns, rows),
        note(f"{number(done.n_rare)} features fire too rarely in the text to be labelled."),
    ]
    if done.n_failed:
        shown.append(note(f"No usable answer came for {number(done.n_failed)}; ask again to try them again."))
    if chat is not None:
        spent = chat.spent
        cost = "" if chat.endpoint.cost(1, 1) is None else f", cost {spent.cost:.4f}"
        shown.append(note(f"{number(spent.n_calls)} calls, {number(spent.n_kept)} answers from before{cost}."))
    shown.append(note(f"See one: hooke feature --index {done.folder.name} NUMBER"))
    return Answer(data=data, shown=tuple(shown))
