"""gRPC: kserve's V2 server and servicer, with an inference method of our own over the same data plane as REST.

kserve's interceptors log every call and wrap it in a second coroutine; inference goes past them, everything else
through.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import inference.lean_kserve  # noqa: F401  isort: skip
from grpc import StatusCode, aio
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.grpc.servicer import InferenceServicer

from components.errors import ArthaflowError
from inference.admin import Admin
from inference.dataplane import TRACK_HEADER, DataPlane
from inference.grpc_call import GrpcCall

CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    413: StatusCode.RESOURCE_EXHAUSTED,
    503: StatusCode.UNAVAILABLE,
}


class PredictorServicer(InferenceServicer):  # type: ignore[misc]
    """kserve's servicer with our inference, metadata and repository methods."""

    new_call: Callable[..., GrpcCall] = GrpcCall

    def __init__(self, kserve_plane: Any, repository: Any, plane: DataPlane, admin: Admin) -> None:
        super().__init__(kserve_plane, repository)
        self._plane = plane
        self._admin = admin

    def begun(self, call: GrpcCall, context: Any) -> None:
        """Take from a call's metadata what a subclass wants."""

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        """Predict."""
        ce_id, forced, request_id = "", False, ""
        for key, value in context.invocation_metadata() or ():
            if key == "ce-id":
                ce_id = value
            elif key == TRACK_HEADER:
                forced = True
            elif key == "x-request-id":
                request_id = value
        call = self.new_call(request, pb.ModelInferResponse, ce_id, time.perf_counter(), forced)
        call.request_id = request_id.encode()
        self.begun(call, context)
        self._plane.submit(call)
        try:
            return await call.done
        except ArthaflowError as error:
            await _abort(context, error)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        """Tell whether a version of a model is ready."""
        try:
            self._plane.find(request.name, request.version)
        except ArthaflowError as error:
            if error.status == 404:
                await _abort(context, error)
        return pb.ModelReadyResponse(ready=self._plane.is_ready(request.name))

    async def ModelMetadata(self, request: Any, context: Any) -> Any:
        """Tell a model's versions, platform, inputs and outputs."""
        try:
            told = self._plane.find(request.name, request.version).metadata()
        except ArthaflowError as error:
            await _abort(context, error)
            return None
        tensors = {
            key: [{k: t[k] for k in ("name", "datatype", "shape")} for t in told[key]] for key in ("inputs", "outputs")
        }
        return pb.ModelMetadataResponse(
            name=told["name"], versions=told["versions"], platform=told["platform"], **tensors
        )

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        """Reload a model from its artifact; closed unless the server runs with ``--admin``."""
        try:
            await self._admin.load(request.model_name, {})
        except ArthaflowError as error:
            await _abort(context, error)
        return pb.RepositoryModelLoadResponse(model_name=request.model_name, isLoaded=True)

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        """Unload a model; closed unless the server runs with ``--admin``."""
        try:
            self._admin.unload(request.model_name)
        except ArthaflowError as error:
            await _abort(context, error)
        return pb.RepositoryModelUnloadResponse(model_name=request.model_name, isUnloaded=True)


async def _abort(context: Any, error: ArthaflowError) -> None:
    await context.abort(CODES.get(error.status, StatusCode.INTERNAL), str(error))


class _Interceptor(ExceptionToStatusInterceptor):  # type: ignore[misc]
    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        if handler_call_details.method.endswith("/ModelInfer"):
            return await continuation(handler_call_details)
        return await super().intercept_service(continuation, handler_call_details)


class PredictorGrpcServer(GRPCServer):  # type: ignore[misc]
    """kserve's gRPC server with our servicer, on one host address."""

    def __init__(self, host: str, port: int, servicer: PredictorServicer, max_message: int, grace: int) -> None:
        super().__init__(port, servicer._data_plane, servicer._mode_repository_extension, {}, grace)
        self._host = f"[{host}]" if ":" in host else host
        self._servicer = servicer
        self._max_message = max_message

    async def start(self, max_workers: int) -> None:
        """Serve until stopped."""
        self._server = aio.server(
            ThreadPoolExecutor(max_workers=max_workers),
            interceptors=(_Interceptor(),),
            options=[
                ("grpc.max_send_message_length", self._max_message),
                ("grpc.max_receive_message_length", self._max_message),
                ("grpc.so_reuseport", 0),
            ],
        )
        grpc_predict_v2_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self._servicer, self._server)
        self._server.add_insecure_port(f"{self._host}:{self._port}")
        await self._server.start()
        try:
            await self._server.wait_for_termination()
        except asyncio.CancelledError:
            await self._server.stop(0)
            raise
