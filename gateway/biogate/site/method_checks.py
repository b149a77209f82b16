"""Checks of the declared methods: arguments, expressions, and the function behind them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping

from biogate.site.data_types import BuiltInType
from biogate.site.expression import FUNCTIONS, ExpressionError, parse_expression
from biogate.site.node_model import InputConfig, MethodConfig, OutputConfig
from biogate.site.node_plan import find_function
from biogate.site.node_values import known_type
from biogate_adapters.document import Document
from biogate_adapters.problems import KeyPath, did_you_mean, listed


def check_method(
    document: Document, path: KeyPath, method: MethodConfig, types: Mapping[str, BuiltInType]
) -> None:
    """Report what is wrong with a method."""
    _check_arguments(document, (*path, "inputs"), method.inputs, types)
    _check_arguments(document, (*path, "outputs"), method.outputs, types)
    for name in method.outputs:
        if name in method.inputs:
            message = f"{name} is already the name of an input"
            document.report((*path, "outputs", name), message, key=True)
    if document.has((*path, "function")):
        _check_function(document, path, method)
        return
    if not method.outputs and not document.has((*path, "outputs")):
        message = "the method does nothing: it has neither outputs nor a function"
        document.report(path, message, hint="add function: module:name, or outputs", key=True)
    for name, output in method.outputs.items():
        _check_expression(document, (*path, "outputs", name), method, output)


def _check_arguments(
    document: Document,
    path: KeyPath,
    arguments: Mapping[str, InputConfig],
    types: Mapping[str, BuiltInType],
) -> None:
    for name, argument in arguments.items():
        known_type(document, (*path, name), argument.type, types)
        if keyword.iskeyword(name):
            message = f"{name} is a word of the language of expressions"
            document.report((*path, name), message, hint="choose another name", key=True)


def _check_function(document: Document, path: KeyPath, method: MethodConfig) -> None:
    for name, output in method.outputs.items():
        if output.expression is not None:
            where = (*path, "outputs", name, "expression")
            message = "the method's function returns the outputs: there is nothing to compute"
            document.report(where, message, hint="remove function or expression", key=True)
    if method.function is None:
        return
    try:
        find_function(method.function)
    except ImportError as error:
        hint = "install its package beside biogate, or set PYTHONPATH"
        document.report((*path, "function"), str(error), hint=hint)


def _check_expression(
    document: Document, path: KeyPath, method: MethodConfig, output: OutputConfig
) -> None:
    if output.expression is None:
        if not document.has((*path, "expression")):
            hint = "add expression: ..., or function: module:name to the method"
            document.report(path, "nothing says what this output is", hint=hint, key=True)
        return
    try:
        parse_expression(output.expression, method.inputs)
    except ExpressionError as error:
        document.report(
            (*path, "expression"),
            f"{output.expression!r}, character {error.column}: {error}",
            allowed=f"inputs ({listed(method.inputs)}), numbers, text, + - * / // % **, "
            f"comparisons, and/or/not, a if b else c, {listed(FUNCTIONS)}",
            hint=did_you_mean(error.name, method.inputs) if error.name else "",
        )
