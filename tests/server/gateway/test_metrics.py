import re

from hooke.server.gateway.metrics import Counts
from tests.server.gateway.test_verdicts import Bank, along, width


def test_numbers_are_told_and_name_nobody():
    counts = Counts()
    monitor = along("m", "resid_post.1", act=1.0, do="stop")
    watched = Bank([monitor], width).watched(monitor)
    for score in (2.0, float("nan")):
        watched.see([score], 3, is_prompt=False)
    counts.saw(watched.verdict())
    counts.requests.labels("/v1/models", "200").inc()
    page = counts.page().decode()
    version = watched.version
    assert f'hooke_verdicts_total{{level="act",monitor="m",version="{version}"}} 1.0' in page
    assert f'hooke_actions_total{{action="stop",monitor="m",version="{version}"}} 1.0' in page
    assert f'hooke_monitor_failures_total{{monitor="m",version="{version}"}} 1.0' in page
    names = set(re.findall(r"[{,](\w+)=", page))
    assert names == {"path", "status", "level", "monitor", "version", "action", "le"} - {"le"} | ({"le"} & names)
