"""Triton's gRPC client in a process of its own: its protobuf messages and kserve's have the same names and cannot
share one."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from typing import Any


@lru_cache(maxsize=1)
def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def ask(port: int, method: str, *arguments: Any, **options: Any) -> Any:
    """Call a method of the client; see the functions below. An error comes back as ``(status, message)``."""
    return _pool().submit(_ask, port, method, arguments, options).result(60)


def _ask(port: int, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    from tritonclient.grpc import InferenceServerClient, InferenceServerException

    client = InferenceServerClient(f"127.0.0.1:{port}")
    try:
        if method == "infer":
            return _infer(client, *arguments, **options)
        if method == "metadata":
            found = client.get_model_metadata(*arguments)
            return {"versions": list(found.versions), "shape": list(found.inputs[0].shape)}
        return getattr(client, method)(*arguments)
    except InferenceServerException as error:
        return error.status(), error.message()
    finally:
        client.close()


def _infer(client: Any, model: str, inputs: dict[str, tuple[str, Any]], **options: Any) -> dict[str, Any]:
    from tritonclient.grpc import InferInput

    tensors = []
    for name, (datatype, array) in inputs.items():
        tensor = InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    answer = client.infer(model, tensors, **options)
    message = answer.get_response()
    parameters = {k: v.string_param for k, v in message.parameters.items()}
    outputs = {o.name: answer.as_numpy(o.name) for o in message.outputs}
    return {"id": message.id, "parameters": parameters, "outputs": outputs}
