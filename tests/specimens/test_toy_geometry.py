"""Layouts of features: more than dimensions with a relu, no more than dimensions without."""

from hooke.specimens.toy_claims import Effort
from hooke.specimens.toy_geometry import DENSITIES, bodies, layouts

EFFORT = Effort(steps=0.3, seeds=0.5)


def test_sparse_features_outnumber_dimensions_and_only_with_a_relu():
    found = layouts(effort=EFFORT)
    by_claim = {one.finding.claim: one.finding for one in found.claims}
    sparse = by_claim["features represented in a plane, density 0.03"]
    assert sparse.value > 3.5
    assert sparse.control is not None
    assert sparse.control < 3.5
    assert by_claim["dimensions for each of them, density 0.03"].value < 0.6
    assert by_claim["loss per density, density 0.1"].interval[1] < 0.6
    assert len(found.data["relu"]) == len(found.data["linear"]) == len(DENSITIES)


def test_features_take_the_corners_of_regular_bodies():
    by_name = {one.finding.claim.split("(")[1].split(")")[0]: one.finding for one in bodies(effort=EFFORT).claims}
    for name in ("pentagon", "square antiprism"):
        assert by_name[name].value > 0.3 > (by_name[name].control or 0), name
