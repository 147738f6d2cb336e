import numpy as np
from safetensors.numpy import load

from hooke.server.arrays import arrays_response


def test_arrays_come_back_as_they_were_sent():
    arrays = {"ids": np.arange(6, dtype=np.uint32).reshape(2, 3).T, "values": np.array([0.5, np.nan], np.float16)}
    answer = arrays_response(arrays, {"unit": "bits"})
    assert answer.media_type == "application/octet-stream"
    back = load(bytes(answer.body))
    assert {name: array.dtype for name, array in back.items()} == {"ids": np.uint32, "values": np.float16}
    np.testing.assert_array_equal(back["ids"], arrays["ids"])
    np.testing.assert_array_equal(back["values"], arrays["values"])
