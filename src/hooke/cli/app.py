"""The command line: a table of verbs, imported when they are called; what becomes of answers and of errors."""

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError, UnusedCliTokensError
from rich.console import Console

import hooke
from hooke.cli.answer import Answer, plain_data
from hooke.cli.bars import sink_for
from hooke.errors import BadRequest, HookeError, did_you_mean
from hooke.pages.numerals import visible
from hooke.progress import showing

# Verb, where it lives, what it does. A test holds the sentence equal to the first line of the function's docstring.
VERBS: dict[str, tuple[str, str]] = {
    "quickstart": ("quickstart:quickstart", "Do the main job on the default model: features, a tour, steering."),
    "model list": ("model:list_models", "List the models that can be loaded by name, and those in the lab."),
    "model info": ("model:info", "Show a model's size and its sites, and which sites it refuses."),
    "model check": ("model:check", "Measure the contract between a model's sites on text."),
    "model chat": ("model:chat", "Talk to a model, with edits in force."),
    "harvest": ("harvest:harvest", "Store a model's activations at chosen sites over a corpus."),
    "train": ("train:train", "Train a dictionary on a model's activations."),
    "dictionary list": ("dictionary:list_dictionaries", "List the dictionaries in the lab, and the starters."),
    "dictionary eval": ("dictionary:evaluate", "Measure how well a dictionary stands in for what it reads."),
    "dictionary quality": (
        "quality:quality",
        "Measure what a dictionary is good for, beside what has learnt nothing.",
    ),
    "dictionary finetune": (
        "finetune:finetune",
        "Train a dictionary a little more, so that the model predicts the same on its reconstruction.",
    ),
    "dictionary exclusives": (
        "exclusives:exclusives",
        "Show which features of a crosscoder are in one of its two models only, and which are in both after all.",
    ),
    "dictionary match": ("quality:match", "Match two dictionaries' features one to one: how many are in both."),
    "dictionary results": (
        "result_files:results",
        "Write a dictionary's scores as the result files that SAEBench writes.",
    ),
    "dictionary polysemanticity": (
        "polysemanticity:polysemanticity",
        "Measure in how many unlike contexts features fire, beside neurons and random directions.",
    ),
    "dictionary check": (
        "dictionary_check:check",
        "Hold what a dictionary's files claim against the model, on a few thousand tokens.",
    ),
    "dictionary pull": ("dictionary_pull:pull", "Fetch a public dictionary from the hub, and take it into the lab."),
    "dictionary import": (
        "dictionary:import_",
        "Take a dictionary, or transcoders of several layers, that another tool made into the lab.",
    ),
    "dictionary export": (
        "dictionary:export",
        "Write a dictionary or transcoders as the files that another tool reads.",
    ),
    "concept list": ("concept:list_concepts", "List the sets of labelled texts that come with hooke."),
    "concept features": (
        "concept:features",
        "Find single features that tell a concept, beside neurons, random directions and words.",
    ),
    "concept translations": (
        "concept:translations",
        "Find features that fire on the translations of one sentence, beside neurons and random directions.",
    ),
    "index": ("index:index", "Find out what each feature of a dictionary fires on and promotes."),
    "label": (
        "label:label",
        "Label the features of a dictionary, and score the labels on text that they were not made from.",
    ),
    "search": (
        "search:search",
        "Find features by words, meaning, a text that fires them, a token they move, or their examples' text.",
    ),
    "feature": ("feature:feature", "Show what is known of one feature."),
    "interactions": (
        "interactions:interactions",
        "Find which features fire together, write to each other, are the same, or take each other's part.",
    ),
    "read": ("read:read", "Show a text as features, token by token."),
    "lens": ("lens:lens", "Show what each layer of a model would say next, token by token."),
    "fit-lens": (
        "fit_lens:fit_lens",
        "Fit a tuned or a Jacobian lens to a model, and measure it on held-out text.",
    ),
    "steer": ("steer:steer", "Turn a feature up and down, and show what the model says."),
    "probe fit": (
        "probe:fit",
        "Fit a probe to labelled texts: chosen on one part, measured once on another, beside its baselines.",
    ),
    "probe list": ("probe:list_probes", "List the probes in the lab, with what may be said of each."),
    "probe show": ("probe:show", "Show what was measured of a probe, beside its baselines."),
    "probe score": ("probe:score", "Score a text, or each text of a file, token by token."),
    "direction make": (
        "direction:make",
        "Make a direction: from labelled texts, of a feature, learnt through the model, or of a persona.",
    ),
    "direction board": (
        "direction:board",
        "Score ways to steer towards a concept, in AxBench's form: concept, instruction and fluency, each from 0 to 2.",
    ),
    "direction list": ("direction:list_directions", "List the directions in the lab."),
    "direction show": ("direction:show", "Show where a direction comes from, and what it was measured to do."),
    "trace": ("trace:trace", "Trace what a model's next token is made of: nodes, edges, and an account that closes."),
    "patch": ("patch:patch", "Put into one run what a component was on another prompt, and see what becomes of it."),
    "path-patch": (
        "path_patch:path_patch",
        "Let chosen components alone read what another one would write on the pair's other prompt.",
    ),
    "discover": (
        "discover:discover",
        "Score every edge between a model's components, and measure what the strongest of them give back.",
    ),
    "heads": ("heads:heads", "Find previous-token, duplicate-token and induction heads on random tokens that repeat."),
    "graph list": ("graph:list_graphs", "List the attribution graphs in the lab."),
    "graph show": ("graph:show", "Show a graph's most influential nodes, or one node's strongest edges."),
    "graph validate": (
        "graph:validate",
        "Test a graph on the model itself: predicted effects against real ablations, beside controls.",
    ),
    "graph intervene": (
        "graph_trial:intervene",
        "Change nodes in the model itself, or swap them for another prompt's, beside what random ones do.",
    ),
    "graph prune": ("graph:prune", "Make a graph small enough to read, with scores that count what was cut away."),
    "graph paths": ("graph:paths", "Show the strongest paths to a target, with their share of all."),
    "graph attention": ("attention:attention", "Show which pairs of nodes make a head look from one token to another."),
    "graph heads": ("attention:heads", "Show through which heads an edge of a graph came."),
    "graph groups": ("graph_groups:groups", "Show a graph's groups, the edges between them, and groups to consider."),
    "graph group": ("graph_groups:group", "Group nodes under a name."),
    "graph ungroup": ("graph_groups:ungroup", "Undo a group; its nodes stay."),
    "graph aggregate": ("graph_sets:aggregate", "Show which nodes or edges return over a set of graphs."),
    "graph diff": ("graph_sets:diff", "Show what sets two sets of graphs apart, beside what luck does."),
    "graph export": ("graph:export", "Write a graph as the JSON that Neuronpedia and circuit-tracer's front end open."),
    "monitor list": (
        "monitor:list_monitors",
        "List the monitors in the lab: what they look for, their thresholds, and until when those are believed.",
    ),
    "monitor fit": ("monitor:fit", "Make a monitor from labelled texts, or from a probe of the lab."),
    "monitor calibrate": (
        "monitor:calibrate",
        "Set a monitor's thresholds on ordinary traffic: the smallest whose share of texts is surely under a target.",
    ),
    "monitor eval": (
        "monitor:evaluate",
        "Measure a calibrated monitor on texts that it has not seen: slice by slice, the worst first, beside controls.",
    ),
    "monitor run": ("monitor:run", "Run a monitor over a text, over a file of texts, or over what the model says."),
    "monitor follow": (
        "monitor_follow:follow",
        "Run a monitor over what an agent did, step by step: when it first showed, and when it first acted.",
    ),
    "monitor redteam": (
        "monitor_trial:redteam",
        "Attack a calibrated monitor, and show what it still catches by what the attacker may do and for how long.",
    ),
    "monitor drift": (
        "monitor_trial:drift",
        "Hold today's traffic against that of the calibration: an alarm with an error rate, and numbers to look at.",
    ),
    "monitor card": (
        "monitor_trial:card",
        "Show a monitor's card: what it reads, how often it is wrong, what attacked it, and where it was not tested.",
    ),
    "monitor verify-log": (
        "audit_log:verify_log",
        "Verify an audit log: find any change, gap, swap or repetition, and say what a chain cannot show.",
    ),
    "monitor export-log": (
        "audit_log:export_log",
        "Export an audit log with the texts that can still be read, as one JSON object that can be handed on.",
    ),
    "monitor erase-text": (
        "audit_log:erase_text",
        "Erase a text that an audit log is about, by losing its key; the chain stays whole and says so.",
    ),
    "monitor new-key": ("audit_log:new_key", "Make a key that signs the anchors of audit logs."),
    "study list": ("study:list_studies", "List the studies that come with hooke."),
    "study run": ("study:run", "Run a study on a model: each finding with its interval, beside its control."),
    "specimen list": ("specimen:list_specimens", "List the models whose mechanism is known by construction."),
    "specimen show": ("specimen:show", "Show what a specimen does, and what was planted in it, prompt by prompt."),
    "specimen score": (
        "specimen:score",
        "Score hooke's methods of finding circuits against specimens whose circuit is known.",
    ),
    "specimen recover": (
        "specimen:recover",
        "Trace a specimen and see whether what was planted is found, and found nowhere else.",
    ),
    "specimen superposition": (
        "superposition:superposition",
        "Train toy models of superposition, and hold what they do against what was published.",
    ),
    "specimen dictionaries": (
        "planted:dictionaries",
        "Train each kind of dictionary on planted directions, and see how many it finds.",
    ),
    "specimen crosscoders": (
        "planted:crosscoders",
        "Train crosscoders on a planted pair of models, and see which features they call exclusive to one of them.",
    ),
    "specimen concept": (
        "planted:concept",
        "Look for a planted concept in a dictionary's features, and for it in a twin that has none.",
    ),
    "specimen build": ("specimen:build", "Keep a specimen, its twin and its random control in the lab."),
    "gateway serve": ("gateway:serve", "Serve a model as OpenAI does, with monitors and steering by registered name."),
    "gateway key add": ("gateway:add", "Make a key for the gateway; its secret is shown once."),
    "gateway key list": ("gateway:list_keys", "List the gateway's keys and what each may do."),
    "gateway key remove": ("gateway:remove", "Take a key away; a gateway that runs refuses it at once."),
    "serve": ("serve:serve", "Open the microscope: browse, search, read and steer in the browser."),
    "doctor": ("doctor:doctor", "Show what this machine has, and what is missing."),
}

NOUNS = {
    "model": "Models: what can be loaded, its sites, and talking to it.",
    "dictionary": "Dictionaries: what there is, and how good it is.",
    "concept": "Concepts: sets of labelled texts, and which features tell them.",
    "probe": "Probes: directions that tell a concept, with what they must be better than.",
    "direction": "Directions: vectors at a site that are read, or added to steer.",
    "graph": "Attribution graphs: those in the lab, one node's edges, files for other tools.",
    "monitor": "Monitors: scorers that watch a model speak, with known error rates; and audit logs.",
    "study": "Studies: questions to a real model that anyone can put again.",
    "specimen": "Specimens: small models whose mechanism is known, to try instruments on.",
    "gateway": "The gateway: a model for other programs, watched by monitors.",
    "gateway key": "Keys: who may ask the gateway, and for what.",
}

ABOUT = (
    "A microscope for neural networks: open a model, take it apart into features, search, read and steer them.\n\n"
    "Every verb takes --json, --lab and --debug; `hooke VERB --help` shows the rest."
)


def build_app() -> App:
    """The command line's grammar. No verb is imported until its words are used."""
    app = App(
        name="hooke",
        help=ABOUT,
        version=hooke.__version__,
        help_format="markdown",
        result_action="return_value",
        default_parameter=Parameter(negative=(), show_default=_shown_default),
    )
    nouns: dict[str, App] = {"": app}
    for rank, (words, (place, about)) in enumerate(VERBS.items()):
        *path, verb = words.split()
        for depth, part in enumerate(path):
            noun = " ".join(path[: depth + 1])
            if noun not in nouns:
                nouns[noun] = App(name=part, help=NOUNS[noun], sort_key=rank)
                nouns[" ".join(path[:depth])].command(nouns[noun])
        nouns[" ".join(path)].command(f"hooke.cli.{place}", name=verb, help=about, sort_key=rank)
    return app


def _shown_default(value: Any) -> str | None:
    """Defaults that say nothing, an option left out or a switch left off, are not shown."""
    return None if value is None or value is False or value in ("", ()) else str(value)


# Bars are the progress sink's business; other packages draw their own unless this is set before they are imported.
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def main(words: Sequence[str] | None = None) -> int:
    """The exit code of a command: 0 done, 1 the job failed, 2 the words are wrong, 130 interrupted."""
    words = list(sys.argv[1:] if words is None else words)
    is_json = "--json" in words
    try:
        return _carry_out(words, is_json)
    except KeyboardInterrupt:
        _say("interrupted.")
        return 130
    except BrokenPipeError:
        # Whoever read the output has had enough. Python would complain when it flushes; give it nowhere to complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except HookeError as error:
        return _refuse(error, error.exit_code, words, is_json)
    except CycloptsError as error:
        return _refuse(_wrong_words(error, words), 2, words, is_json)
    except Exception as error:  # the last line of defence: a traceback is for --debug only
        asked = f"Something went wrong inside hooke: {type(error).__name__}: {_one_line(error)}"
        return _refuse(HookeError(asked, "", "Run it again with --debug to see where."), 1, words, is_json)


def _carry_out(words: list[str], is_json: bool) -> int:
    app = build_app()
    open_verb(app, words)
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    call = partial(command, *bound.args, **bound.kwargs)
    answer = _call_quietly(call) if is_json else _call(call)
    if isinstance(answer, Answer):
        _show(answer, is_json)
        return answer.exit_code
    return 0


def open_verb(app: App, words: list[str]) -> None:
    """Import the verb that the words name: its page of help then shows its docstring, not its line in the table."""
    _, chain, _ = app.parse_commands(words)
    for part in chain:
        if part.default_command is not None:
            part.help = None


def _call(call: Callable[[], Any]) -> Any:
    with showing(sink_for(Console(stderr=True))):
        return call()


def _call_quietly(call: Callable[[], Any]) -> Any:
    """What a library prints while a verb works goes to standard error: standard output is for one JSON object."""
    with contextlib.redirect_stdout(sys.stderr):
        return _call(call)


def _show(answer: Answer, is_json: bool) -> None:
    if is_json:
        sys.stdout.write(json.dumps(plain_data(answer.data), ensure_ascii=False, allow_nan=False) + "\n")
    else:
        from hooke.cli.terminal import terminal

        console = terminal()
        for part in answer.shown:
            console.print(part)
    sys.stdout.flush()


def _refuse(error: HookeError, exit_code: int, words: list[str], is_json: bool) -> int:
    if "--debug" in words:
        traceback.print_exc()
    _say(str(error))
    if is_json:
        parts = {"kind": type(error).__name__, "asked": error.asked, "found": error.found, "do": error.do}
        sys.stdout.write(json.dumps({"error": parts}, ensure_ascii=False) + "\n")
    return exit_code


def _wrong_words(error: CycloptsError, words: list[str]) -> BadRequest:
    if isinstance(error, UnknownCommandError):
        return _no_verb(words)
    command = " ".join(["hooke", *(error.command_chain or ())])
    if isinstance(error, UnusedCliTokensError):
        asked = f"Too many words: {' '.join(error.unused_tokens or ())}."
    else:
        asked = _one_line(error)
    return BadRequest(asked, "", f"See `{command} --help`.")


def _no_verb(words: list[str]) -> BadRequest:
    """What is said of words that name no verb. cyclopts' own message would import every verb to list them."""
    noun = max((one for one in NOUNS if words[: one.count(" ") + 1] == one.split()), key=len, default="")
    page = f"`hooke {noun} --help`" if noun else "`hooke --help`"
    word = words[len(noun.split())]
    if word.startswith("-"):
        return BadRequest(f"'{word}' stands where a verb should.", "", f"Put options behind the verb; see {page}.")
    verbs = [name.removeprefix(f"{noun} ") for name in VERBS if name.startswith(noun)]
    return BadRequest(f"No verb '{word}'.", did_you_mean(word, [*verbs, *NOUNS]), f"See {page}.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _say(message: str) -> None:
    sys.stderr.write(f"hooke: {visible(' '.join(message.split()))}\n")
