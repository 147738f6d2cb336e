from hooke.server.gateway.asks import Ask, Said


def test_two_asks_are_two_though_they_say_the_same():
    assert Ask(ids=(1,), max_tokens=1) != Ask(ids=(1,), max_tokens=1)
    assert Said(1) == Said(1)
