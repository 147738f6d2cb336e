"""Whether a short function does what its name and comment say. Each comes right and wrong, in two languages."""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

# Name, what it does, and its body in Python and JavaScript: right, then wrong.
_FUNCTIONS = (
    ("total", "the sum of the numbers", "s = 0\n    for x in xs:\n        s += x\n    return s",
     "s = 0\n    for x in xs:\n        s = x\n    return s",
     "let s = 0; for (const x of xs) s += x; return s;", "let s = 0; for (const x of xs) s = x; return s;"),
    ("largest", "the largest number", "m = xs[0]\n    for x in xs:\n        if x > m:\n            m = x\n    return m",
     "m = xs[0]\n    for x in xs:\n        if x < m:\n            m = x\n    return m",
     "let m = xs[0]; for (const x of xs) if (x > m) m = x; return m;",
     "let m = xs[0]; for (const x of xs) if (x < m) m = x; return m;"),
    ("average", "the mean of the numbers", "return sum(xs) / len(xs)", "return sum(xs) / (len(xs) - 1)",
     "return xs.reduce((a, b) => a + b, 0) / xs.length;", "return xs.reduce((a, b) => a + b, 0) / (xs.length - 1);"),
    ("last", "the last item", "return xs[len(xs) - 1]", "return xs[len(xs)]",
     "return xs[xs.length - 1];", "return xs[xs.length];"),
    ("evens", "the even numbers", "return [x for x in xs if x % 2 == 0]", "return [x for x in xs if x % 2 == 1]",
     "return xs.filter((x) => x % 2 === 0);", "return xs.filter((x) => x % 2 === 1);"),
    ("count", "how often 7 occurs", "n = 0\n    for x in xs:\n        if x == 7:\n            n += 1\n    return n",
     "n = 0\n    for x in xs:\n        if x == 7:\n            n = 1\n    return n",
     "let n = 0; for (const x of xs) if (x === 7) n += 1; return n;",
     "let n = 0; for (const x of xs) if (x = 7) n += 1; return n;"),
    ("squares", "the square of each number", "return [x * x for x in xs]", "return [x * 2 for x in xs]",
     "return xs.map((x) => x * x);", "return xs.map((x) => x * 2);"),
    ("backwards", "the items in reverse order", "return xs[::-1]", "return xs[:-1]",
     "return [...xs].reverse();", "return [...xs].slice(0, -1);"),
    ("product", "the product of the numbers", "p = 1\n    for x in xs:\n        p *= x\n    return p",
     "p = 0\n    for x in xs:\n        p *= x\n    return p",
     "let p = 1; for (const x of xs) p *= x; return p;", "let p = 0; for (const x of xs) p *= x; return p;"),
    ("empty", "whether there is nothing", "return len(xs) == 0", "return len(xs) > 0",
     "return xs.length === 0;", "return xs.length > 0;"),
    ("first_three", "the first three items", "return xs[:3]", "return xs[3:]",
     "return xs.slice(0, 3);", "return xs.slice(3);"),
    ("has_negative", "whether a number is below zero", "return any(x < 0 for x in xs)", "return all(x < 0 for x in xs)",
     "return xs.some((x) => x < 0);", "return xs.every((x) => x < 0);"),
    ("positives", "the numbers above zero", "return [x for x in xs if x > 0]", "return [x for x in xs if x < 0]",
     "return xs.filter((x) => x > 0);", "return xs.filter((x) => x < 0);"),
    ("joined", "the words with commas between", "return ', '.join(xs)", "return ', '.join(xs[1:])",
     "return xs.join(', ');", "return xs.slice(1).join(', ');"),
    ("unique", "each item once", "return list(dict.fromkeys(xs))", "return list(xs)",
     "return [...new Set(xs)];", "return [...xs];"),
    ("span", "the largest minus the smallest", "return max(xs) - min(xs)", "return max(xs) + min(xs)",
     "return Math.max(...xs) - Math.min(...xs);", "return Math.max(...xs) + Math.min(...xs);"),
    ("ascending", "the numbers from small to large", "return sorted(xs)", "return sorted(xs, reverse=True)",
     "return [...xs].sort((a, b) => a - b);", "return [...xs].sort((a, b) => b - a);"),
    ("doubled", "twice each number", "return [2 * x for x in xs]", "return [2 + x for x in xs]",
     "return xs.map((x) => 2 * x);", "return xs.map((x) => 2 + x);"),
)  # fmt: skip


def items() -> Iterator[Labelled]:
    """Functions with a fault (the concept) and without."""
    for name, about, right, wrong, js_right, js_wrong in _FUNCTIONS:
        for label, body, js_body in ((False, right, js_right), (True, wrong, js_wrong)):
            python = f'def {name}(xs):\n    """Return {about}."""\n    {body}\n'
            script = f"// Returns {about}.\nfunction {name}(xs) {{ {js_body} }}\n"
            for style, text in (("Python", python), ("JavaScript", script)):
                yield Labelled(text=text, label=label, group=name, style=style, is_near=True)
