"""OPC UA nodesets: catalogue, fetch, strict load, compiled cache, instantiation."""

from biogate_nodesets.add import add_nodes, add_object, add_property, add_variable
from biogate_nodesets.cache import load_model
from biogate_nodesets.catalogue import CATALOGUE, Entry
from biogate_nodesets.errors import NodesetError, NodesetSourceError
from biogate_nodesets.instantiate import Instance, Instantiator, MemberSpec
from biogate_nodesets.model import Model, Node, Reference, RolePermission

__all__ = [
    "CATALOGUE",
    "Entry",
    "Instance",
    "Instantiator",
    "MemberSpec",
    "Model",
    "Node",
    "NodesetError",
    "NodesetSourceError",
    "Reference",
    "RolePermission",
    "add_nodes",
    "add_object",
    "add_property",
    "add_variable",
    "load_model",
]
