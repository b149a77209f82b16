"""Browse paths walked from their starting node (Part 4, 5.9.4 and 7.31), under a work budget."""

from __future__ import annotations

from biogate.opcua.config import Limits
from biogate.opcua.errors import StatusError
from biogate.opcua.space.address_space import AddressSpace
from biogate.opcua.space.browse import expanded, reference_filter
from biogate.opcua.space.rights import RightsView
from biogate.opcua.space.work_budget import WorkBudget
from biogate.opcua.stack import StatusCodes, ua
from biogate.opcua.turns import Work

_WHOLE_PATH = ua.UInt32(0xFFFF_FFFF)


class PathTranslator:
    """Translates the paths of one request; all of them share one budget of references.

    Without it a path that doubles its nodes at each step, or a thousand long ones, would hold
    the server up.
    """

    def __init__(self, space: AddressSpace, rights: RightsView, limits: Limits) -> None:
        self._space = space
        self._rights = rights
        self._limits = limits
        self._budget = WorkBudget(limits.max_translate_steps)

    def translate(self, path: ua.BrowsePath) -> Work[ua.BrowsePathResult]:
        """The targets of one path, or its status; one step for each node that is looked at."""
        try:
            targets = yield from self._walk(path)
        except StatusError as error:
            return ua.BrowsePathResult(StatusCode=ua.StatusCode(ua.UInt32(error.status)))
        return ua.BrowsePathResult(
            Targets=[ua.BrowsePathTarget(expanded(target), _WHOLE_PATH) for target in targets]
        )

    def _walk(self, path: ua.BrowsePath) -> Work[list[ua.NodeId]]:
        self._rights.require_visible(path.StartingNode)
        elements = path.RelativePath.Elements
        self._check(elements)
        nodes = [path.StartingNode]
        for element in elements:
            nodes = yield from self._step(nodes, element)
            if not nodes:
                raise StatusError(StatusCodes.BadNoMatch)
        if len(nodes) > self._limits.max_translate_matches:
            raise StatusError(StatusCodes.BadTooManyMatches)
        return nodes

    def _check(self, elements: list[ua.RelativePathElement]) -> None:
        if not elements:
            raise StatusError(StatusCodes.BadNothingToDo)
        if len(elements) > self._limits.max_path_elements:
            raise StatusError(StatusCodes.BadQueryTooComplex)
        if not all(element.TargetName.Name for element in elements):
            raise StatusError(StatusCodes.BadBrowseNameInvalid)

    def _step(
        self, nodes: list[ua.NodeId], element: ua.RelativePathElement
    ) -> Work[list[ua.NodeId]]:
        """The targets, each once, in the order of the references."""
        types = reference_filter(
            self._space, element.ReferenceTypeId, bool(element.IncludeSubtypes)
        )
        found: dict[ua.NodeId, None] = {}
        for node_id in nodes:
            yield
            node = self._space.get(node_id)
            if node is None:  # gone since the step before
                continue
            self._budget.spend(len(node.references))
            for reference in node.references:
                if reference.forward is bool(element.IsInverse):
                    continue
                if types is not None and reference.type not in types:
                    continue
                target = self._rights.visible(reference.target)
                if target is not None and target.browse_name == element.TargetName:
                    found[reference.target] = None
        return list(found)
