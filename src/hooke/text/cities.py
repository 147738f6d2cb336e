"""Cities with three attributes of each, to try whether a dictionary keeps apart what a model knows of one thing.

After RAVEL (Huang et al. 2024), written for hooke: large cities, one of each pair of country and language that matters.
"""

from dataclasses import dataclass

ATTRIBUTES = ("country", "continent", "language")
TEMPLATES = {
    "country": "The city of {city} is in the country of",
    "continent": "The city of {city} is located in the continent of",
    "language": "The language that people speak in {city} is",
}
"""Prompts whose next word is the attribute; the city is not their first word, where models keep what is no word's."""


@dataclass(frozen=True, slots=True)
class City:
    """A city."""

    name: str
    country: str
    continent: str
    language: str

    def value(self, attribute: str) -> str:
        """The value of one attribute."""
        return str(getattr(self, attribute))


_ROWS = """
Paris France Europe French
Lyon France Europe French
Marseille France Europe French
Toulouse France Europe French
Berlin Germany Europe German
Munich Germany Europe German
Hamburg Germany Europe German
Frankfurt Germany Europe German
Rome Italy Europe Italian
Milan Italy Europe Italian
Naples Italy Europe Italian
Venice Italy Europe Italian
Madrid Spain Europe Spanish
Barcelona Spain Europe Spanish
Seville Spain Europe Spanish
Lisbon Portugal Europe Portuguese
Porto Portugal Europe Portuguese
London England Europe English
Manchester England Europe English
Liverpool England Europe English
Birmingham England Europe English
Moscow Russia Europe Russian
Warsaw Poland Europe Polish
Athens Greece Europe Greek
Stockholm Sweden Europe Swedish
Tokyo Japan Asia Japanese
Osaka Japan Asia Japanese
Kyoto Japan Asia Japanese
Nagoya Japan Asia Japanese
Beijing China Asia Chinese
Shanghai China Asia Chinese
Wuhan China Asia Chinese
Shenzhen China Asia Chinese
Seoul Korea Asia Korean
Busan Korea Asia Korean
Mumbai India Asia Hindi
Delhi India Asia Hindi
Kolkata India Asia Bengali
Bangkok Thailand Asia Thai
Hanoi Vietnam Asia Vietnamese
Tehran Iran Asia Persian
Baghdad Iraq Asia Arabic
Damascus Syria Asia Arabic
Cairo Egypt Africa Arabic
Alexandria Egypt Africa Arabic
Casablanca Morocco Africa Arabic
Nairobi Kenya Africa Swahili
Lagos Nigeria Africa English
Johannesburg South_Africa Africa English
Toronto Canada North_America English
Vancouver Canada North_America English
Montreal Canada North_America French
Chicago United_States North_America English
Boston United_States North_America English
Seattle United_States North_America English
Denver United_States North_America English
Lima Peru South_America Spanish
Santiago Chile South_America Spanish
Bogota Colombia South_America Spanish
Brasilia Brazil South_America Portuguese
"""

CITIES = tuple(
    City(*(part.replace("_", " ") for part in row.split(" "))) for row in _ROWS.strip().splitlines()
)  # fmt: skip
