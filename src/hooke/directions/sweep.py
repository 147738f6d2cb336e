"""A recipe at several strengths: the texts of each arm and what they are like, cell by cell."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hooke.dictionaries import Dictionary
from hooke.directions.measures import Measures, measure
from hooke.directions.promoted import promoted_tokens
from hooke.directions.recipe import Recipe, bind
from hooke.directions.speak import Voice, Word, speak, voices_of, watching
from hooke.models.edits import Edit
from hooke.models.generate import Sampling
from hooke.models.model import Model, Tokens
from hooke.sites import FeatureName


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeakConfig:
    """How texts are made."""

    samples: int = 1
    """Texts of each arm; without sampling only the random arm has more than one."""
    seed: int = 0
    """The same seed gives the same texts."""
    max_tokens: int = 48
    """New tokens of each text."""
    temperature: float | int = 0.0
    """0 takes the likeliest token each time."""
    top_p: float | int = 1.0
    """Sample from the smallest set of tokens that holds this much probability."""

    @property
    def sampling(self) -> Sampling:
        """How the next token is chosen."""
        return Sampling(temperature=self.temperature, top_p=self.top_p)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recipe with all that it needs."""

    recipe: Recipe
    """The recipe."""
    dictionaries: Mapping[str, Dictionary]
    """Its dictionaries by name."""
    units: Mapping[FeatureName, float]
    """Largest activation of each of its features."""

    @property
    def unit(self) -> float | None:
        """Largest activation of its first feature."""
        return self.units[self.recipe.features[0]] if self.recipe.features else None

    def promoted(self, model: Model) -> list[int]:
        """Tokens that the recipe makes likelier after neutral prompts."""
        return promoted_tokens(model, self.edits(), self.dictionaries)

    def edits(self, factor: float = 1.0) -> tuple[Edit, ...]:
        """Its edits with a factor on the strengths."""
        return bind(self.recipe, self.dictionaries, self.units, factor=factor)

    def voices(self, arms: Sequence[str], config: SpeakConfig, *, factor: float = 1.0) -> list[Voice]:
        """The texts of each arm, with `factor` on the strengths."""
        return voices_of(
            self.edits(factor),
            self.dictionaries,
            arms=arms,
            samples=config.samples,
            seed=config.seed,
            is_greedy=config.temperature == 0,
        )

    def speak(
        self, model: Model, tokens: Tokens, voices: Sequence[Voice], promoted: Sequence[int], config: SpeakConfig
    ) -> Iterator[list[Word]]:
        """The texts, step by step; see `hooke.directions.speak.speak`."""
        return speak(
            model,
            tokens,
            voices,
            max_tokens=config.max_tokens,
            sampling=config.sampling,
            seed=config.seed,
            dictionaries=self.dictionaries,
            watch=watching(self.recipe.features, self.dictionaries, promoted),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """An arm at a strength."""

    strength: float
    """Factor on the recipe's strengths; 0 for the text without edits."""
    arm: str
    """The arm."""
    texts: tuple[str, ...]
    """Its texts."""
    measures: Measures
    """What they are like."""


def sweep(
    model: Model,
    tokens: Tokens,
    prepared: Prepared,
    *,
    strengths: Sequence[float],
    arms: Sequence[str],
    config: SpeakConfig,
) -> Iterator[Cell | None]:
    """The text without edits as the cell of strength 0, then each arm at each strength; None after each step between.

    The steps are given, too, so that others can have their turn between them.

    Raises:
        PromptTooLong, UnknownSite, UnknownName, ShapeMismatch: see `hooke.directions.speak.speak`.
    """
    promoted = prepared.promoted(model)
    for strength, own in [(0.0, ["base"]), *((strength, list(arms)) for strength in strengths)]:
        voices = prepared.voices(own, config, factor=strength)
        words: list[Word] = []
        for step in prepared.speak(model, tokens, voices, promoted, config):
            words += step
            yield None
        for arm in own:
            yield Cell(
                strength=strength,
                arm=arm,
                texts=tuple("".join(word.text for word in text) for text in texts_of(words, voices, arm)),
                measures=measure(texts_of(words, voices, arm), unit=prepared.unit, seed=config.seed),
            )


def texts_of(words: Sequence[Word], voices: Sequence[Voice], arm: str) -> list[list[Word]]:
    """The words of each text of an arm; a text that ended at once has none."""
    return [
        [word for word in words if (word.arm, word.sample) == (arm, voice.sample)]
        for voice in voices
        if voice.arm == arm
    ]
