"""JSON Schemas of file formats, with the texts that stand below attributes in the source.

pydantic can read those texts itself, but at every import: that costs a start 40 ms.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def describe(definitions: Mapping[str, dict[str, Any]], models: Mapping[str, object]) -> None:
    """Give each property of `definitions` (a model's name → its schema) its description.

    `models` are the classes by name; what is no model is passed over. A property that has a
    description keeps it.
    """
    for name, definition in definitions.items():
        model = models.get(name)
        if isinstance(model, type) and issubclass(model, BaseModel):
            for base in model.__mro__:
                if issubclass(base, BaseModel) and base is not BaseModel:
                    _describe(definition["properties"], model, _attribute_docstrings(base))


def _describe(properties: dict[str, Any], model: type[BaseModel], texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        alias = model.model_fields[name].alias or name
        properties[alias].setdefault("description", text)


def _attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(tree, ast.ClassDef)
    return {
        attribute.target.id: inspect.cleandoc(text.value.value)
        for attribute, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(attribute, ast.AnnAssign)
        and isinstance(attribute.target, ast.Name)
        and attribute.target.id in model.model_fields
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
