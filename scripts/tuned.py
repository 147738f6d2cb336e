"""Fine-tune a model on one kind of text, so that there is a pair of models to compare: `python scripts/tuned.py NAME`.

All weights are trained on the plain next-token loss. The tuned model is kept in the lab; `hooke` finds it by name.
"""

import argparse
import time
from itertools import islice
from typing import Any

import torch
from torch.nn import functional

import hooke
from hooke.lab import open_lab, provenance, staged, write_json
from hooke.text.corpora import open_corpus
from hooke.text.windows import WindowConfig, windows


def tune(name: str, base: str, corpus: str, steps: int, start: int, lr: float, batch: int, context: int) -> None:
    """Train and keep it; `start` is the first window that is read, so that two runs can read unlike text."""
    lab = open_lab()
    model = hooke.load(base, lab=lab, dtype="float32")
    stream = windows(open_corpus(corpus), model.tokenizer, WindowConfig(context=context, batch=batch), start=start)
    hf: Any = model.hf
    optimiser = torch.optim.AdamW(model.hf.parameters(), lr=lr, weight_decay=0.0)
    losses, since = [], time.perf_counter()
    for step, one in enumerate(islice(stream, steps)):
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / (0.1 * steps), (steps - step) / (0.2 * steps))
        logits = model.hf(input_ids=one.tokens, use_cache=False).logits[:, :-1]
        scored = one.counted[:, 1:] & one.counted[:, :-1]
        loss = functional.cross_entropy(logits[scored], one.tokens[:, 1:][scored])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.hf.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if step % 10 == 9:
            print(f"{step + 1}: loss {sum(losses[-10:]) / 10:.3f}, {time.perf_counter() - since:.0f} s", flush=True)
    said = {"base": base, "corpus": corpus, "steps": steps, "start": start, "lr": lr, "batch": batch}
    with staged(lab.path("models", name)) as aside:
        aside.mkdir()
        hf.save_pretrained(aside)
        model.tokenizer.save_pretrained(aside)
        write_json(aside / "tuned.json", provenance(inputs=said | {"context": context, "losses": losses}))


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("name")
    words.add_argument("--base", default="smollm2-135m")
    words.add_argument("--corpus", default="default/wiki-fr")
    words.add_argument("--steps", type=int, default=100)
    words.add_argument("--start", type=int, default=0)
    words.add_argument("--lr", type=float, default=1e-4)
    words.add_argument("--batch", type=int, default=8)
    words.add_argument("--context", type=int, default=64)
    tune(**vars(words.parse_args()))
