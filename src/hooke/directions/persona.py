"""A persona vector: what answers with a trait have in the stream, and answers without it have not (2507.21509).

system prompts for and against -> answers to some questions -> a judge keeps the clear ones
-> mean row over an answer's tokens, for minus against, at each candidate site
-> the site that tells kept answers to other questions best -> added while a third set of questions is answered
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hooke.directions.controls import random_like
from hooke.directions.direction import Direction, Made
from hooke.directions.group_draws import GroupDraws, estimated
from hooke.directions.persona_judges import TraitJudge
from hooke.directions.traits import Trait
from hooke.errors import BadConfig, BadRequest
from hooke.findings import Estimate, Finding, area_under_curve, bootstrap_interval
from hooke.models.edits import Add, Edit
from hooke.models.generate import Sampling, conversation_tokens, generate_tokens, said_rows
from hooke.models.model import Model, Tokens
from hooke.progress import track
from hooke.sites import Site

Side = Literal["for", "against"]
_BATCH = 16
_KEEP = 50.0
"""Score of the trait that parts answers for it from those against; and the least coherence."""
_FEWEST = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonaConfig:
    """How answers are made."""

    samples: int = 2
    """Answers to each question with each pair of instructions, on each side."""
    max_tokens: int = 40
    """Tokens of an answer."""
    temperature: float = 0.8
    """At which they are drawn."""
    dose: float = 0.3
    """Length of what is added to steer, as a share of the median length of the site's rows on answers."""
    n_controls: int = 3
    """Random directions of that length."""
    seed: int = 0
    """Seed of the answers and the controls."""

    def __post_init__(self) -> None:
        if min(self.samples, self.max_tokens, self.n_controls) < 1 or self.dose <= 0 or self.temperature <= 0:
            raise BadConfig(
                "Answers cannot be made so.",
                f"{self.samples} samples of {self.max_tokens} tokens at {self.temperature}, dose {self.dose}, "
                f"{self.n_controls} controls.",
                "Give numbers above 0.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One answer, kept or not."""

    side: Side
    """Which instruction it was given under."""
    question: str
    """What was asked."""
    answer: str
    """What the model said."""
    trait: float
    """Score of the trait, 0 to 100."""
    coherence: float
    """Score of coherence, 0 to 100."""

    @property
    def is_kept(self) -> bool:
        """Whether it is coherent and clearly of its side."""
        return self.coherence >= _KEEP and (self.trait >= _KEEP) == (self.side == "for")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """Answers with the mean row of each."""

    rollouts: list[Rollout]
    """The answers."""
    means: dict[Site, Float[Tensor, "answer _width"]]
    """The mean row over an answer's tokens, at each site."""

    @property
    def kept(self) -> "Answers":
        """Those that are kept."""
        at = [at for at, one in enumerate(self.rollouts) if one.is_kept]
        return Answers(
            rollouts=[self.rollouts[one] for one in at], means={site: rows[at] for site, rows in self.means.items()}
        )

    @property
    def is_for(self) -> Bool[np.ndarray, " answer"]:
        """Which of them are for the trait."""
        return np.array([one.side == "for" for one in self.rollouts], dtype=bool)

    def difference(self, site: Site) -> Float[Tensor, " width"]:
        """The mean of those for it minus that of those against it."""
        is_for = torch.from_numpy(self.is_for)
        return self.means[site][is_for].mean(0) - self.means[site][~is_for].mean(0)

    def along(self, vector: Float[Tensor, " width"], site: Site) -> Float[np.ndarray, " answer"]:
        """How far each lies along a vector."""
        return (self.means[site] @ vector).double().numpy()

    def area(self, vector: Float[Tensor, " width"], site: Site) -> Estimate:
        """AUROC of that, with questions resampled."""
        draws = GroupDraws.of(self.is_for, [one.question for one in self.rollouts], seed=0)
        return estimated(draws.areas(self.along(vector, site)), n=draws.n_groups)


def persona_direction(
    model: Model,
    trait: Trait,
    judge: TraitJudge,
    sites: Sequence[Site],
    *,
    name: str,
    config: PersonaConfig | None = None,
) -> tuple[Direction, list[Rollout]]:
    """The vector with what steering by it does, and all answers that it was made of and rejected.

    Raises:
        BadRequest: the model cannot chat, or too few answers are clearly of their side.
        UnknownSite, UnsupportedModel: see `Model.run`.
    """
    config = config or PersonaConfig()
    generator = torch.Generator(device=model.device).manual_seed(config.seed)
    thirds = [trait.questions[at::3] for at in range(3)]
    said = [_answers(model, trait, questions, judge, sites, config, generator) for questions in thirds[:2]]
    rollouts = [one for answers in said for one in answers.rollouts]
    first, second = (answers.kept for answers in said)
    for kept in (first, second):
        n_for = int(kept.is_for.sum())
        n_against = len(kept.rollouts) - n_for
        if min(n_for, n_against) < _FEWEST:
            raise BadRequest(
                f"{model.name} does not show '{trait.name}' clearly when it is told to.",
                f"Of {len(rollouts) // 2} answers {n_for} for it and {n_against} against it are clear.",
                f"At least {_FEWEST} of each are needed: give more samples, another judge, or a larger model.",
            )
    vectors = {site: first.difference(site) for site in sites}
    areas = {site: second.area(vectors[site], site) for site in sites}
    best = max(sites, key=lambda site: areas[site].value)
    vector = vectors[best]
    length = config.dose * float(first.means[best].norm(dim=-1).median())
    findings = (
        _telling(vector, areas[best], second, best, trait, config),
        *_steering(model, trait, judge, best, vector / vector.norm() * length, thirds[2], config),
    )
    made = Made(
        method="persona",
        concept=trait.name,
        model=model.name,
        model_fingerprint=model.fingerprint,
        n=len(first.rollouts),
        n_groups=len(thirds[0]),
        seed=config.seed,
        settings={"judge": judge.name, "kept": sum(one.is_kept for one in rollouts), "answers": len(rollouts)},
    )
    return Direction(name=name, site=str(best), vector=vector, made=made, findings=findings), rollouts


def _answers(
    model: Model,
    trait: Trait,
    questions: Sequence[str],
    judge: TraitJudge,
    sites: Sequence[Site],
    config: PersonaConfig,
    generator: torch.Generator,
) -> Answers:
    asked: list[tuple[Side, str, Tensor]] = []
    for question in questions:
        for pair in trait.instructions:
            for at, instruction in enumerate(pair):
                side: Side = "against" if at else "for"
                messages = [{"role": "system", "content": instruction}, {"role": "user", "content": question}]
                ids = conversation_tokens(model, messages).ids[0]
                asked.extend((side, question, ids) for _ in range(config.samples))
    rollouts: list[Rollout] = []
    means: dict[Site, list[Tensor]] = {site: [] for site in sites}
    for start in track(range(0, len(asked), _BATCH), f"answers, {trait.name}", unit="batches"):
        batch = asked[start : start + _BATCH]
        said = _generated(model, [ids for *_, ids in batch], (), config, generator)
        whole = Tokens.of([torch.cat([ids, new]) for (*_, ids), new in zip(batch, said, strict=True)], model.device)
        run = model.run(whole, capture=sites, logits=False)
        for at, ((side, question, ids), new) in enumerate(zip(batch, said, strict=True)):
            answer = _text(model, new)
            score, coherence = judge.score(question, answer)
            rollouts.append(Rollout(side=side, question=question, answer=answer, trait=score, coherence=coherence))
            for site in sites:
                # An answer without tokens is not coherent, and never kept.
                own = run.rows(site)[at, len(ids) : len(ids) + len(new)] if len(new) else run.rows(site)[at, :1]
                means[site].append(own.mean(0).cpu())
    return Answers(rollouts=rollouts, means={site: torch.stack(one) for site, one in means.items()})


def _generated(
    model: Model, prompts: Sequence[Tensor], edits: Sequence[Edit], config: PersonaConfig, generator: torch.Generator
) -> list[Tensor]:
    tokens, sampling = Tokens.of(prompts, model.device), Sampling(temperature=config.temperature)
    said = said_rows(generate_tokens(model, tokens, edits, config.max_tokens, sampling, generator), len(prompts))
    return [torch.tensor(row, dtype=torch.int64, device=model.device) for row in said]


def _text(model: Model, ids: Tensor) -> str:
    return str(model.tokenizer.decode(ids.tolist(), skip_special_tokens=True))


def _telling(vector: Tensor, area: Estimate, kept: Answers, site: Site, trait: Trait, config: PersonaConfig) -> Finding:
    generator, sides = np.random.default_rng([config.seed, 3]), kept.is_for
    scores = [kept.along(random_like(vector, generator=generator), site) for _ in range(100)]
    areas = [max(found, 1 - found) for found in (area_under_curve(one[sides], one[~sides])[0] for one in scores)]
    return Finding(
        claim=f"AUROC of '{trait.name}' in answers to other questions, at the site that was chosen by it",
        value=area.value,
        interval=area.interval,
        n=len(kept.rollouts),
        control=float(np.quantile(areas, 0.95)),
        control_name="the 95 % point of 100 random directions, each the better way round",
        method="projection of the mean row of an answer; questions resampled",
        seed=config.seed,
    )


def _steering(
    model: Model,
    trait: Trait,
    judge: TraitJudge,
    site: Site,
    step: Tensor,
    questions: Sequence[str],
    config: PersonaConfig,
) -> tuple[Finding, ...]:
    draw = np.random.default_rng([config.seed, 4])
    steps = {"no edit": None, "treated": step} | {
        f"random {at}": random_like(step, generator=draw) for at in range(1, config.n_controls + 1)
    }
    prompts = [conversation_tokens(model, [{"role": "user", "content": one}]).ids[0] for one in questions]
    scores: dict[str, np.ndarray] = {}
    for arm, added in track(list(steps.items()), f"steer, {trait.name}", unit="arms"):
        edits = [] if added is None else [Add(site=str(site), vector=added, positions="1:")]
        # Every arm draws with the same seed, so that they differ by the edit alone.
        generator = torch.Generator(device=model.device).manual_seed(config.seed)
        each = [
            new
            for start in range(0, len(prompts), _BATCH)
            for new in _generated(model, prompts[start : start + _BATCH], edits, config, generator)
        ]
        scores[arm] = np.array(
            [judge.score(question, _text(model, new)) for question, new in zip(questions, each, strict=True)]
        )
    random = [arm for arm in scores if arm.startswith("random")]
    found = []
    for column, what in enumerate(("the trait's score", "the coherence")):
        change = {arm: scores[arm][:, column] - scores["no edit"][:, column] for arm in ("treated", *random)}
        # The trait may rise by chance as far as the random directions let it; coherence is what is paid.
        worst = (max if column == 0 else min)(random, key=lambda arm: float(change[arm].mean()))
        found.append(
            Finding(
                claim=f"added at a dose of {config.dose:g}, it changes {what}, of 100",
                value=float(change["treated"].mean()),
                interval=bootstrap_interval(change["treated"], generator=np.random.default_rng(config.seed)),
                n=len(questions),
                control=float(change[worst].mean()),
                control_interval=bootstrap_interval(change[worst], generator=np.random.default_rng(config.seed)),
                control_name=f"the {'largest' if column == 0 else 'smallest'} of {len(random)} random directions",
                method=f"questions that nothing was chosen on, judged by {judge.name}",
                seed=config.seed,
            )
        )
    return tuple(found)
