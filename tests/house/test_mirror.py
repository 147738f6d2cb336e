"""tests/ mirrors src/hooke/, so that the tests of a module are found by its name, and the other way round."""

from tests.house.sources import ROOT, SOURCE, modules

TESTS = ROOT / "tests"


def test_each_module_has_tests_of_its_name():
    missing = [str(path) for path in modules() if not (TESTS / path.with_name(f"test_{path.name}")).is_file()]
    assert missing == []


def test_each_test_of_a_room_has_a_module_of_its_name():
    rooms = [path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()]
    tests = [*TESTS.glob("test_*.py"), *(path for room in rooms for path in (TESTS / room).rglob("test_*.py"))]
    twins = {
        path.relative_to(TESTS): path.relative_to(TESTS).with_name(path.name.removeprefix("test_")) for path in tests
    }
    assert [str(path) for path, twin in twins.items() if not (SOURCE / twin).is_file()] == []


def test_each_room_has_a_package_file():
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []
