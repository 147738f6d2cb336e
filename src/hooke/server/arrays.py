"""Arrays on the wire: the safetensors layout, eight bytes of length, a JSON header, raw buffers."""

from collections.abc import Mapping

import numpy as np
from fastapi import Response
from numpy import ndarray
from safetensors.numpy import save

MEDIA_TYPE = "application/octet-stream"


def arrays_response(arrays: Mapping[str, ndarray], metadata: Mapping[str, str] | None = None) -> Response:
    """Arrays by name as one safetensors body."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return Response(save(whole, metadata=dict(metadata) if metadata else None), media_type=MEDIA_TYPE)
