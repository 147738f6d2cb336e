"""The tools whose files hooke writes, by the names that people give them."""

from collections.abc import Callable

from hooke.dictionaries.formats.circuit_tracer import write_circuit_tracer
from hooke.dictionaries.formats.saelens_write import write_saelens
from hooke.dictionaries.formats.sparsify_write import write_sparsify

# Each takes what is written, a folder that is not there yet and, as `model`, what the model is called there.
OF_LAYERS: dict[str, Callable[..., None]] = {"circuit-tracer": write_circuit_tracer}
"""Those that hold what stands in for the MLPs of several layers."""

OF_ONE: dict[str, Callable[..., None]] = {"saelens": write_saelens, "sparsify": write_sparsify}
"""Those that hold one dictionary."""
