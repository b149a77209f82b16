"""OPC UA nodesets: catalogue, fetch, strict load, compiled cache, instantiation."""

from biogate_nodesets.cache import load_model
from biogate_nodesets.catalogue import CATALOGUE, Entry
from biogate_nodesets.errors import NodesetError, NodesetSourceError
from biogate_nodesets.model import Model, Node, Reference, RolePermission

__all__ = [
    "CATALOGUE",
    "Entry",
    "Model",
    "Node",
    "NodesetError",
    "NodesetSourceError",
    "Reference",
    "RolePermission",
    "load_model",
]
