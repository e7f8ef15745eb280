"""The Open Inference Protocol (V2) on the wire: JSON and binary tensors to and from numpy, for servers and clients."""

from inference.v2.client import Client, decode_response, encode_request
from inference.v2.request import InferRequest, TensorIn, WantedOutput, parse_request

__all__ = ["Client", "InferRequest", "TensorIn", "WantedOutput", "decode_response", "encode_request", "parse_request"]
