"""Declared nodes in the address space: enumerations, objects, variables, methods."""

from __future__ import annotations

from itertools import groupby

from biogate.builder import ANALOG_TYPES, READ_ONLY, READ_WRITE, Builder, analog_properties
from biogate.declared.methods import add_method
from biogate.declared.types import DataTypes
from biogate.declared.variables import DeclaredVariables
from biogate.opcua.stack import ObjectIds, node_id, ua
from biogate.site import ObjectPlan, SectionPlan, VariablePlan
from biogate_nodesets import Node, Reference, add_nodes

_HISTORY_READ = 0x04
_HAS_COMPONENT = node_id(ObjectIds.HasComponent)
_HAS_TYPE_DEFINITION = node_id(ObjectIds.HasTypeDefinition)
_BASE_DATA_VARIABLE_TYPE = node_id(ObjectIds.BaseDataVariableType)


def build_section(
    builder: Builder, section: SectionPlan, variables: DeclaredVariables, zone: str
) -> None:
    """Add a section's nodes to `zone`; `builder` is for the section's namespace."""
    types = DataTypes(builder.namespace)
    types.add_enumerations(builder.model, section.enumerations)
    folders = {each.key for each in section.objects if each.config.folder}
    for name in section.enumerations:
        builder.place(types.node_id(name), zone, section.name)
    for each in section.objects:
        if not each.parent:
            part = f"{section.name}/{each.name}"
            builder.place(node_id(each.key, builder.namespace), zone, part)
        _add_object(builder, each, organized=each.parent in folders or not each.parent)
    for analog, group in groupby(section.variables, _is_analog):
        if analog:
            for variable in group:
                _add_analog(builder, variable, types)
        else:
            add_nodes(builder.model, [_plain_variable(builder, one, types) for one in group])
    for variable in section.variables:
        builder.bind_tag(node_id(variable.key, builder.namespace), variables.source(variable.tag))
    for method in section.methods:
        add_method(builder, method, types)


def _is_analog(plan: VariablePlan) -> bool:
    return plan.config.unit is not None or plan.config.range is not None


def _parent(builder: Builder, key: str) -> ua.NodeId:
    return node_id(key, builder.namespace) if key else node_id(ObjectIds.ObjectsFolder)


def _add_object(builder: Builder, plan: ObjectPlan, *, organized: bool) -> None:
    """A folder organizes the objects in it; those in an object are its components."""
    builder.instance(
        node_id(ObjectIds.FolderType if plan.config.folder else ObjectIds.BaseObjectType),
        plan.key,
        plan.name,
        _parent(builder, plan.parent),
        reference=ObjectIds.Organizes if organized else ObjectIds.HasComponent,
        description=plan.config.description,
    )


def _plain_variable(builder: Builder, plan: VariablePlan, types: DataTypes) -> Node:
    description = plan.config.description
    node = Node(
        node_id(plan.key, builder.namespace),
        ua.NodeClass.Variable,
        ua.QualifiedName(plan.name, ua.UInt16(builder.namespace)),
        ua.LocalizedText(plan.name),
        ua.LocalizedText(description) if description else None,
        references=[
            Reference(_HAS_TYPE_DEFINITION, _BASE_DATA_VARIABLE_TYPE, forward=True),
            Reference(_HAS_COMPONENT, _parent(builder, plan.parent), forward=False),
        ],
    )
    _describe(node, plan, types)
    return node


def _add_analog(builder: Builder, plan: VariablePlan, types: DataTypes) -> None:
    """An AnalogUnitType, AnalogItemType or AnalogUnitRangeType (Part 8, 5.3.2)."""
    config = plan.config
    instance = builder.instance(
        node_id(ANALOG_TYPES[config.unit is not None, config.range is not None]),
        plan.key,
        plan.name,
        _parent(builder, plan.parent),
        members=analog_properties(builder.table.info(builder.table.index(plan.tag))),
        description=config.description,
    )
    _describe(instance[""], plan, types)


def _describe(node: Node, plan: VariablePlan, types: DataTypes) -> None:
    """The attributes that say what the value is like and what may be done with it."""
    config = plan.config
    node.data_type = types.node_id(config.type)
    node.value_rank = plan.shape.value_rank
    node.array_dimensions = plan.shape.dimensions or None
    node.access_level = READ_WRITE if config.writable else READ_ONLY
    node.access_level |= _HISTORY_READ if config.historized else 0
    node.user_access_level = node.access_level
    node.historizing = config.historized
