"""Whether a text has somebody's personal data in it. Names, addresses and numbers are made up.

The near ones have numbers and addresses as well, of things and offices: an order, a version, a support desk.
"""

from collections.abc import Iterator

from hooke.text.concepts.labelled import Labelled

_PEOPLE = (
    ("Hanna Brandt", "14 Mill Lane", "0555 010 4471"), ("Oscar Lind", "3 Harbour Street", "0555 013 2290"),
    ("Maria Costa", "27 Station Road", "0555 017 8812"), ("Jonas Weber", "8 Church Hill", "0555 011 6053"),
    ("Amira Saleh", "51 Garden Row", "0555 019 3384"), ("Peter Novak", "6 Bridge End", "0555 012 9907"),
    ("Lucy Adams", "90 Kings Way", "0555 015 1146"), ("Tomas Ruiz", "2 Orchard Close", "0555 018 7725"),
    ("Ingrid Dahl", "33 Quarry Lane", "0555 014 5568"), ("Karim Haddad", "19 Abbey Walk", "0555 016 4439"),
    ("Elena Popova", "75 Forest View", "0555 010 9031"), ("Samuel Okoye", "12 River Bank", "0555 013 6617"),
)  # fmt: skip
_OFFICES = (
    "the post office", "the town library", "the swimming pool", "the city museum", "the bus station", "the tax office",
    "the night pharmacy", "the ticket desk", "the harbour office", "the help line", "the sports hall", "the theatre",
)  # fmt: skip
_WITH = {
    "mail": "Please send it to {name}, {street}; you can call {phone} or write to {mail}.",
    "record": "name: {name}\naddress: {street}\nphone: {phone}\nmail: {mail}",
    "chat": "sure, {first} is at {street}, the number is {phone}",
}
_WITHOUT = {
    "mail": "Please send it to {office}, opposite the market; lines are open from nine to five, extension {number}.",
    "record": "item: order {number}\nversion: 2.{number}.1\nprice: {number}.50\nplace: {office}",
    "chat": "sure, it is at {office}, take bus {number}, it stops there",
}
_LANGUAGES = {
    "de": ("Bitte an {name}, {street}, Telefon {phone}.", "Bitte an {office}, Schalter {number}, im ersten Stock."),
    "fr": (
        "À envoyer à {name}, {street}, téléphone {phone}.",
        "À envoyer à {office}, guichet {number}, premier étage.",
    ),
    "es": ("Enviar a {name}, {street}, teléfono {phone}.", "Enviar a {office}, ventanilla {number}, primer piso."),
}


def items() -> Iterator[Labelled]:
    """People's data and offices', in three styles and four languages."""
    for at, ((name, street, phone), office) in enumerate(zip(_PEOPLE, _OFFICES, strict=True)):
        first, _, last = name.partition(" ")
        mail = f"{first}.{last}@mail.example".lower()
        person = {"name": name, "first": first, "street": street, "phone": phone, "mail": mail}
        thing = {"office": office, "number": 20 + 7 * at}
        group = f"{name}/{office}"
        for style in _WITH:
            yield Labelled(text=_WITH[style].format(**person), label=True, group=group, style=style)
            yield Labelled(text=_WITHOUT[style].format(**thing), label=False, group=group, style=style, is_near=True)
            # What a form looks like before anybody has filled it in.
        blank = "name: ______\naddress: ______\nphone: ______\nmail: ______"
        yield Labelled(text=f"{blank}\npage {at + 1}", label=False, group=group, style="record", is_near=True)
        for language, (with_, without) in _LANGUAGES.items():
            for label, text in ((True, with_.format(**person)), (False, without.format(**thing))):
                yield Labelled(text=text, label=label, group=group, style="mail", language=language, is_near=not label)
