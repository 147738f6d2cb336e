import pytest

from hooke.errors import BadConfig, BadRequest, PromptTooLong, UnknownName
from hooke.models.model import Model
from hooke.server.gateway.front import Gateway
from hooke.server.gateway.keys import Key
from hooke.server.gateway.refusals import TooOften
from hooke.server.gateway.speech import EngineClosed
from hooke.server.gateway.words import TextBody
from tests.cli.tiny_lab import TinyLab
from tests.server.gateway.doubles import along

KEY = Key(name="k", hash="k", made="", per_minute=1)


def body(**more: object) -> TextBody:
    return TextBody.model_validate({"model": "tiny-model", "prompt": "A cat", **more})


def test_a_request_is_understood_within_the_limits(gateway_lab: TinyLab, gateway_model: Model):
    gateway = Gateway(gateway_lab.lab, gateway_model, max_new=20)
    assert gateway._prepare(body(max_tokens=None), KEY).ask.max_tokens == 20
    assert not gateway._prepare(body(max_tokens=None), KEY).names_limit
    assert gateway._prepare(body(max_tokens=3), KEY).ask.max_tokens == 3
    assert gateway._prepare(body(max_tokens=3), KEY).names_limit
    with pytest.raises(BadRequest, match="at most 20"):
        gateway._prepare(body(max_tokens=21), KEY)
    with pytest.raises(PromptTooLong):
        gateway._prepare(body(prompt="river " * 400), KEY)
    with pytest.raises(UnknownName):
        gateway._prepare(body(model="other"), KEY)
    first, again = (gateway._prepare(body(), KEY).digest for _ in range(2))
    assert first == again
    other = Gateway(gateway_lab.lab, gateway_model)
    assert other._prepare(body(), KEY).digest != first, "the digest is not salted"
    for one in (gateway, other):
        one.close()


def test_limits_hold_until_a_turn_is_given_back(gateway_lab: TinyLab, gateway_model: Model):
    gateway = Gateway(gateway_lab.lab, gateway_model)
    gateway.begin_turn(KEY)
    with pytest.raises(TooOften, match="1 times a minute"):
        gateway.begin_turn(KEY)
    gateway.close()
    with pytest.raises(EngineClosed):
        gateway.begin_turn(Key(name="o", hash="o", made=""))


def test_second_monitors_and_recipes_of_monitors_must_be_there(gateway_lab: TinyLab, gateway_model: Model):
    first = along("first", "resid_post.1", act=1.0, do="escalate", second="second")
    with pytest.raises(BadConfig, match="--offer second"):
        Gateway(gateway_lab.lab, gateway_model, monitors=[first])
    second = along("second", "mlp_out.0", act=1.0)
    gateway = Gateway(gateway_lab.lab, gateway_model, monitors=[first], offered=[second])
    assert [one.name for one in gateway._prepare(body(), KEY).ask.monitors] == ["first", "second"]
    gateway.close()
    steering = along("m", "resid_post.1", act=1.0, do="steer", recipe="lost")
    with pytest.raises(UnknownName, match="nowhere"):
        Gateway(gateway_lab.lab, gateway_model, monitors=[steering])
