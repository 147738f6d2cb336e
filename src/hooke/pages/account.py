"""The page of a study that is an account: its findings beside their controls, and the tables that they rest on."""

from markupsafe import Markup

from hooke.pages.charts import Line, Point, line_chart
from hooke.pages.findings_table import findings_section
from hooke.pages.interval_chart import interval_chart
from hooke.pages.page import Section, fragment, page
from hooke.studies.account import Account, Picture, Series

_ABOUT = "Brackets: 95 % intervals, by the bootstrap over topics, of shares by Wilson's formula."


def account_pictures(account: Account) -> dict[str, Markup]:
    """Its pictures by name."""
    return {one.name: _drawn(one) for one in account.pictures}


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
    note = f"Claim level {account.level.level}: {account.level.words}. {_ABOUT}" if account.level else _ABOUT
    sections = [findings_section(account.findings, note)]
    if account.pictures:
        drawn = account_pictures(account)
        pictures = [(drawn[one.name], one.caption) for one in account.pictures]
        sections.append(Section(name="pictures", title="To look at", body=fragment("pictures.html", pictures=pictures)))
    title = account.name.replace("-", " ").capitalize()
    return page(title, [*sections, *tables], lead=about, provenance=provenance)


def _drawn(picture: Picture) -> Markup:
    if picture.rows:
        return interval_chart(picture.rows, picture.series, title=picture.title, axis=picture.axis)
    lines = [_line(one, picture.doses) for one in picture.series]
    return line_chart(lines, title=picture.title, x_title=picture.axis)


def _line(series: Series, doses: tuple[float, ...]) -> Line:
    points = tuple(
        Point(x=dose, y=one.value, low=one.interval[0], high=one.interval[1])
        for dose, one in zip(doses, series.values, strict=True)
    )
    return Line(name=series.name, role="control" if series.is_control else "treated", points=points)
