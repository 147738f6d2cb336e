"""Cities with their attributes."""

from hooke.text.cities import ATTRIBUTES, CITIES, TEMPLATES


def test_each_city_stands_once_and_has_every_attribute():
    assert len({city.name for city in CITIES}) == len(CITIES) >= 50
    assert all(city.value(attribute).strip() for city in CITIES for attribute in ATTRIBUTES)
    assert {city.value("continent") for city in CITIES} == {
        "Europe", "Asia", "Africa", "North America", "South America",
    }  # fmt: skip


def test_a_country_lies_on_one_continent():
    assert len({(city.country, city.continent) for city in CITIES}) == len({city.country for city in CITIES})


def test_each_attribute_has_a_prompt_that_does_not_begin_with_the_city():
    assert set(TEMPLATES) == set(ATTRIBUTES)
    assert all(template.find("{city} ") > 0 for template in TEMPLATES.values())
