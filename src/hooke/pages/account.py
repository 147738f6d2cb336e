"""The page of a study that is an account: its findings beside their controls, and the tables that they rest on."""

from hooke.pages.findings_table import findings_section
from hooke.pages.page import Section, fragment, page
from hooke.studies.account import Account

_ABOUT = "Brackets: 95 % intervals, by the bootstrap over topics, of shares by Wilson's formula."


def account_page(account: Account, about: str, *, provenance: dict[str, str]) -> str:
    """The whole page."""
    tables = [
        Section(
            name=f"table-{at}",
            title=one.title,
            body=fragment("table.html", heads=[head.rstrip(">") for head in one.heads], rows=one.rows),
        )
        for at, one in enumerate(account.tables, 1)
    ]
    sections = [findings_section(account.findings, _ABOUT), *tables]
    return page(account.name.replace("-", " ").capitalize(), sections, lead=about, provenance=provenance)
