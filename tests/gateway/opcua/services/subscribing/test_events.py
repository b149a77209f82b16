"""Monitored items of the EventNotifier attribute (Part 4, 5.13, 7.22.3 and 7.25.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from asyncua import ua

from biogate.opcua.codec import encode_message
from biogate.opcua.events import Event
from biogate.opcua.front_end import Limits
from biogate_nodesets.model import Node
from biogate_security.policy import Action

S = ua.StatusCodes
IDS = ua.ObjectIds
T = ua.VariantType
SERVER = ua.NodeId(IDS.Server)
BASE = ua.NodeId(IDS.BaseEventType)
DISABLED, SAMPLING, REPORTING = 0, 1, 2


def clause(*names: str, of: int = IDS.BaseEventType, attribute: int = 13) -> Any:
    path = [ua.QualifiedName(name) for name in names]
    return ua.SimpleAttributeOperand(ua.NodeId(of), path, attribute)


def event_filter(*names: str, where: list[Any] | None = None) -> ua.EventFilter:
    return ua.EventFilter([clause(name) for name in names], ua.ContentFilter(where or []))


def element(operator: ua.FilterOperator, *operands: Any) -> ua.ContentFilterElement:
    return ua.ContentFilterElement(operator, list(operands))


def literal(value: Any, type_: ua.VariantType) -> ua.LiteralOperand:
    return ua.LiteralOperand(ua.Variant(value, type_))


def at_least(severity: int) -> list[Any]:
    operator = ua.FilterOperator.GreaterThanOrEqual
    return [element(operator, clause("Severity"), literal(severity, T.UInt16))]


SEVERITY = event_filter("Severity")


def wanted(
    filter_: Any = SEVERITY,
    handle: int = 1,
    node: ua.NodeId = SERVER,
    mode: int = REPORTING,
    queue: int = 0,
    oldest: bool = True,
) -> Any:
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(node, ua.AttributeIds.EventNotifier),
        mode,
        ua.MonitoringParameters(handle, 0.0, filter_, queue, oldest),
    )


def fields_of(results: list[ua.PublishResult]) -> list[tuple[int, list[Any]]]:
    """(client handle, field values) of each event."""
    return [
        (event.ClientHandle, [field.Value for field in event.EventFields])
        for result in results
        for notification in result.NotificationMessage.NotificationData or ()
        if isinstance(notification, ua.EventNotificationList)
        for event in notification.Events
    ]


@dataclass
class Listener:
    """A subscriber that asks for events."""

    subscriber: Any
    subscription: int

    def create(self, *args: Any, **kwargs: Any) -> Any:
        return self.subscriber.create(self.subscription, wanted(*args, **kwargs)).Results[0]

    def listen(self, *args: Any, **kwargs: Any) -> int:
        result = self.create(*args, **kwargs)
        assert result.StatusCode.value == 0
        return result.MonitoredItemId

    def hear(self, seconds: float = 0.1) -> list[tuple[int, list[Any]]]:
        return fields_of(self.subscriber.messages(seconds))

    def severities(self, seconds: float = 0.1) -> list[int]:
        return [values[0] for _, values in self.hear(seconds)]

    def modify(self, item: int, filter_: Any, queue: int = 0, oldest: bool = True) -> Any:
        request = ua.ModifyMonitoredItemsRequest()
        parameters = ua.MonitoringParameters(1, 0.0, filter_, queue, oldest)
        request.Parameters = ua.ModifyMonitoredItemsParameters(
            self.subscription, 2, [ua.MonitoredItemModifyRequest(item, parameters)]
        )
        return self.subscriber.ask(request).Results[0]

    def set_mode(self, item: int, mode: int) -> None:
        request = ua.SetMonitoringModeRequest()
        request.Parameters = ua.SetMonitoringModeParameters(self.subscription, mode, [item])
        assert self.subscriber.ask(request).Parameters.Results[0].value == 0


@pytest.fixture
def listener(subscriber: Any) -> Listener:
    return Listener(subscriber, subscriber.subscribe())


@pytest.fixture
def emit(bench: Any) -> Callable[..., None]:
    """Emits events of these severities."""

    def emit(*severities: int, source: ua.NodeId = SERVER, **parts: Any) -> None:
        for severity in severities:
            message = ua.LocalizedText(f"event {severity}")
            bench.front_end.events.emit(Event(source, severity, message, **parts))

    return emit


def thing(name: str, node_class: ua.NodeClass, below: ua.NodeId | None = None) -> Node:
    node = Node(
        ua.NodeId(name, 1), node_class, ua.QualifiedName(name, 1), ua.LocalizedText(f"the {name}")
    )
    if below is not None:
        node.add_reference(ua.NodeId(IDS.HasEventSource), below, forward=False)
    return node


AREA, PUMP, VALVE = (ua.NodeId(name, 1) for name in ("area", "pump", "valve"))


@pytest.fixture(scope="module", autouse=True)
def area(plant: Any) -> Any:
    """An area that is a notifier, with a pump that is one too, whose valve is an event source."""
    objects = [
        thing("area", ua.NodeClass.Object),
        thing("pump", ua.NodeClass.Object, AREA),
        thing("valve", ua.NodeClass.Object, PUMP),
    ]
    plant.space.add_nodes(objects)
    plant.space.add_notifier(AREA)
    plant.space.add_notifier(PUMP)
    yield
    plant.space.remove_nodes([AREA, PUMP, VALVE])


# -- fields -------------------------------------------------------------------------------------


# 7.22.3: the fields come in the order of the select clauses; Part 5, 6.4.2: and in these types.
async def test_the_selected_fields_of_an_event_come_in_order_and_in_their_types(
    listener: Listener, emit: Any, bench: Any
) -> None:
    names = ("EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "Message")
    listener.listen(event_filter(*names, "Severity", "LocalTime"), handle=77)
    emit(250)
    messages = listener.subscriber.messages()
    (event,) = messages[-1].NotificationMessage.NotificationData[0].Events
    types = [field.VariantType for field in event.EventFields]
    assert types == [
        T.ByteString, T.NodeId, T.NodeId, T.String, T.DateTime, T.DateTime, T.LocalizedText,
        T.UInt16, T.ExtensionObject,
    ]  # fmt: skip
    values = [field.Value for field in event.EventFields]
    assert event.ClientHandle == 77
    assert len(values[0]) == 16
    assert values[1:4] == [BASE, SERVER, "Server"]
    assert values[4] == values[5]
    assert values[6:8] == [ua.LocalizedText("event 250"), 250]
    assert isinstance(values[8], ua.TimeZoneDataType)


# 7.22.3: with BaseEventType as type, the path counts for events of every type; a field that the
# event does not have is null, and so is one of another type than the event's.
async def test_fields_of_other_types_are_null_in_events_that_lack_them(
    listener: Listener, emit: Any
) -> None:
    device_failure = ua.NodeId(IDS.DeviceFailureEventType)
    clauses = [
        clause("Severity", of=IDS.DeviceFailureEventType),
        clause("Severity"),
        clause("ActiveState", "Id"),
        clause("NewValue", of=IDS.AuditWriteUpdateEventType),
    ]
    result = listener.create(ua.EventFilter(clauses, ua.ContentFilter()))
    assert (result.StatusCode.value, result.FilterResult.TypeId) == (0, ua.NodeId())
    emit(1)
    emit(2, type=device_failure)
    assert listener.hear() == [(1, [None, 1, None, None]), (1, [2, 2, None, None])]


# Table "EventFilterResult": Bad_NodeIdUnknown for a path that no event will ever have; the item
# is created, and the field is null.
async def test_a_field_that_no_event_has_is_named_and_null(listener: Listener, emit: Any) -> None:
    result = listener.create(event_filter("Severity", "Flavour"))
    assert result.StatusCode.value == 0
    codes = [code.value for code in result.FilterResult.SelectClauseResults]
    assert codes == [S.Good, S.BadNodeIdUnknown]
    emit(9)
    assert listener.hear() == [(1, [9, None])]


# 7.22.3, table "EventFilterResult".
@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (clause("Severity", of=IDS.FolderType), S.BadTypeDefinitionInvalid),
        (clause("Severity", of=4_000_000), S.BadTypeDefinitionInvalid),
        (clause("Severity", ""), S.BadBrowseNameInvalid),
        (clause("Severity", attribute=4), S.BadAttributeIdInvalid),
        (clause("Severity", attribute=99), S.BadAttributeIdInvalid),
        (clause(attribute=13), S.BadAttributeIdInvalid),
        (ua.SimpleAttributeOperand(BASE, [ua.QualifiedName("Severity")], 13, "2-4"),
         S.BadIndexRangeInvalid),
        (ua.SimpleAttributeOperand(BASE, [ua.QualifiedName("Severity")], 13, "0"),
         S.BadIndexRangeInvalid),
    ],
)  # fmt: skip
async def test_a_select_clause_that_is_wrong_is_refused_and_named(
    listener: Listener, wrong: Any, status: int
) -> None:
    result = listener.create(ua.EventFilter([clause("Message"), wrong], ua.ContentFilter()))
    assert result.StatusCode.value == S.BadEventFilterInvalid
    assert [c.value for c in result.FilterResult.SelectClauseResults] == [S.Good, status]


# 7.7.4.5: the NodeId of the event's own node, which is null where there is none in the address
# space (that is how clients ask for a ConditionId).
async def test_the_node_of_an_event_that_is_no_node_is_null(listener: Listener, emit: Any) -> None:
    condition = clause(of=IDS.ConditionType, attribute=ua.AttributeIds.NodeId)
    listener.listen(ua.EventFilter([condition, clause("Severity")], ua.ContentFilter()))
    emit(3)
    assert listener.hear() == [(1, [None, 3])]


# -- which filter where -------------------------------------------------------------------------


# 7.21 and 7.22.1.
@pytest.mark.parametrize(
    ("filter_", "status"),
    [
        (None, S.BadEventFilterInvalid),
        (ua.EventFilter(), S.BadEventFilterInvalid),
        (ua.DataChangeFilter(), S.BadFilterNotAllowed),
        (ua.AggregateFilter(), S.BadFilterNotAllowed),
        (ua.ElementOperand(), S.BadMonitoredItemFilterInvalid),
        (ua.ExtensionObject(ua.NodeId(9999, 1), b"what?"), S.BadMonitoredItemFilterInvalid),
    ],
)
async def test_events_take_an_event_filter_and_nothing_else(
    listener: Listener, filter_: Any, status: int
) -> None:
    assert listener.create(filter_).StatusCode.value == status


async def test_an_event_filter_is_not_allowed_on_a_value(subscriber: Any) -> None:
    subscription = subscriber.subscribe()
    assert subscriber.filter_status(subscription, "pH", SEVERITY) == S.BadFilterNotAllowed


# 7.22.3: an error in the where clause is named by element and operand.
async def test_a_where_clause_that_is_wrong_is_refused_and_named(listener: Listener) -> None:
    where = [
        element(ua.FilterOperator.And, ua.ElementOperand(1), ua.ElementOperand(9)),
        element(ua.FilterOperator.InView, literal(BASE, T.NodeId)),
    ]
    result = listener.create(event_filter("Severity", where=where))
    assert result.StatusCode.value == S.BadEventFilterInvalid
    first, second = result.FilterResult.WhereClauseResult.ElementResults
    assert first.StatusCode.value == S.BadFilterOperandInvalid
    codes = [code.value for code in first.OperandStatusCodes]
    assert codes == [S.Good, S.BadFilterElementInvalid]
    assert second.StatusCode.value == S.BadFilterOperatorUnsupported


# Part 5, 6.3.2: MaxSelectClauseParameters and MaxWhereClauseParameters are what is enforced.
async def test_filters_have_no_more_clauses_than_published(make_bench: Any, user: Any) -> None:
    bench = make_bench(Limits(max_select_clause_parameters=2, max_where_clause_parameters=3))
    subscriber = await user(9, bench=bench)
    listener = Listener(subscriber, subscriber.subscribe())
    assert listener.create(event_filter("Severity", "Time")).StatusCode.value == 0
    long = listener.create(event_filter("Severity", "Time", "Message"))
    assert long.StatusCode.value == S.BadEventFilterInvalid
    codes = [code.value for code in long.FilterResult.SelectClauseResults]
    assert codes == [S.Good, S.Good, S.BadTooManyOperations]
    some = [literal(n, T.UInt16) for n in range(3)]
    listed = element(ua.FilterOperator.InList, clause("Severity"), *some[:2])
    assert listener.create(event_filter("Severity", where=[listed])).StatusCode.value == 0
    listed = element(ua.FilterOperator.InList, clause("Severity"), *some)
    long = listener.create(event_filter("Severity", where=[listed]))
    assert long.StatusCode.value == S.BadEventFilterInvalid


# 7.22.3: only events for which the where clause is TRUE.
async def test_only_events_that_fit_the_where_clause_arrive(listener: Listener, emit: Any) -> None:
    listener.listen(event_filter("Severity", where=at_least(500)))
    emit(499, 500, 1000, 1)
    assert listener.severities() == [500, 1000]


# 7.7.3: OfType takes subtypes in.
async def test_events_are_chosen_by_type_and_its_subtypes(listener: Listener, emit: Any) -> None:
    of_type = element(ua.FilterOperator.OfType, literal(ua.NodeId(IDS.SystemEventType), T.NodeId))
    listener.listen(event_filter("Severity", where=[of_type]))
    emit(1)
    emit(2, type=ua.NodeId(IDS.SystemEventType))
    emit(3, type=ua.NodeId(IDS.DeviceFailureEventType))
    assert listener.severities() == [2, 3]


# -- notifiers ----------------------------------------------------------------------------------


# Part 3, 5.5.1: SubscribeToEvents where events can be had, and nowhere else.
async def test_event_notifier_is_set_where_events_can_be_heard(subscriber: Any) -> None:
    nodes = (SERVER, AREA, PUMP, VALVE, ua.NodeId("Reactor", 1))
    items = [ua.ReadValueId(node, ua.AttributeIds.EventNotifier) for node in nodes]
    values = [result.Value.Value for result in subscriber.client.read(*items).Results]
    assert values == [1, 1, 1, 0, 0]


# Part 3, 7.17 and 7.18: a notifier hears what is below it by HasNotifier and HasEventSource;
# Part 5, 8.3.2: the Server object hears everything.
async def test_an_object_hears_the_events_below_it_and_the_server_all(
    listener: Listener, emit: Any
) -> None:
    for handle, node in enumerate((SERVER, AREA, PUMP)):
        listener.listen(event_filter("Severity", "SourceName"), handle=handle, node=node)
    emit(1, source=VALVE)
    emit(2, source=PUMP)
    emit(3, source=AREA)
    emit(4, source=ua.NodeId("pH", 1))
    heard = sorted((h, *values) for h, values in listener.hear())
    at_server = [(0, 1, "the valve"), (0, 2, "the pump"), (0, 3, "the area"), (0, 4, "pH")]
    at_area = [(1, 1, "the valve"), (1, 2, "the pump"), (1, 3, "the area")]
    assert heard == [*at_server, *at_area, (2, 1, "the valve"), (2, 2, "the pump")]


# Part 3, 7.17: the hierarchy of notifiers begins at the Server object.
async def test_a_declared_notifier_is_found_below_the_server_object(plant: Any) -> None:
    has_notifier = ua.NodeId(IDS.HasNotifier)
    assert AREA in plant.space.nodes[SERVER].targets(has_notifier)
    assert PUMP not in plant.space.nodes[SERVER].targets(has_notifier)


@pytest.mark.parametrize("name", ["Reactor", "pH", "Start"])
async def test_who_is_no_notifier_has_no_events(listener: Listener, name: str) -> None:
    result = listener.create(node=ua.NodeId(name, 1))
    assert result.StatusCode.value == S.BadAttributeIdInvalid


async def test_the_events_of_an_unknown_node_are_refused(listener: Listener) -> None:
    result = listener.create(node=ua.NodeId("nothing", 1))
    assert result.StatusCode.value == S.BadNodeIdUnknown


# -- rights -------------------------------------------------------------------------------------


async def test_who_may_not_receive_events_of_a_notifier_cannot_subscribe(
    bench: Any, listener: Listener
) -> None:
    bench.policy.deny(Action.RECEIVE_EVENTS, AREA)
    assert listener.create(node=AREA).StatusCode.value == S.BadUserAccessDenied
    assert listener.create(node=SERVER).StatusCode.value == S.Good


# Part 3, 8.55: ReceiveEvents must be allowed on the source and on the type of the event.
async def test_events_of_a_source_or_type_that_is_denied_do_not_arrive(
    bench: Any, listener: Listener, emit: Any
) -> None:
    listener.listen()
    bench.policy.deny(Action.RECEIVE_EVENTS, PUMP)
    bench.policy.deny(Action.RECEIVE_EVENTS, ua.NodeId(IDS.SystemEventType))
    bench.policy.deny(Action.BROWSE, VALVE)
    emit(1, source=PUMP)
    emit(2, type=ua.NodeId(IDS.SystemEventType))
    emit(3, source=VALVE)
    emit(4, source=AREA)
    assert listener.severities() == [4]


# Part 3, 5.2.9: the nodeset gives ReceiveEvents of audit event types to SecurityAdmin only.
async def test_audit_events_are_for_security_administrators(
    listener: Listener, emit: Any, plant: Any
) -> None:
    listener.listen()
    write = ua.NodeId(IDS.AuditWriteUpdateEventType)
    roles = {permission.role for permission in plant.space.nodes[write].role_permissions}
    assert ua.NodeId(IDS.WellKnownRole_SecurityAdmin) in roles
    emit(1, type=write)
    emit(2)
    assert listener.severities() == [2]


async def test_events_that_wait_are_let_go_when_their_right_is_withdrawn(
    bench: Any, listener: Listener, emit: Any, run: Any
) -> None:
    item = listener.listen(mode=SAMPLING)
    emit(1, source=PUMP)
    emit(2, source=AREA)
    run(bench, 0.1)
    bench.policy.deny(Action.RECEIVE_EVENTS, PUMP)
    run(bench, 0.1)
    listener.set_mode(item, REPORTING)
    assert listener.severities() == [2]


async def test_an_item_whose_right_is_withdrawn_hears_nothing_until_it_is_back(
    bench: Any, listener: Listener, emit: Any
) -> None:
    listener.listen(node=AREA)
    emit(1, source=AREA)
    bench.policy.deny(Action.RECEIVE_EVENTS, AREA)
    assert listener.severities() == []
    emit(2, source=AREA)
    assert listener.severities() == []
    bench.policy.denied.clear()
    bench.policy.epoch += 1
    listener.hear()
    emit(3, source=AREA)
    assert listener.severities() == [3]


# -- queues -------------------------------------------------------------------------------------

OVERFLOW = ua.NodeId(IDS.EventQueueOverflowEventType)


def kinds(heard: list[tuple[int, list[Any]]]) -> list[Any]:
    """Severities; "lost" for an overflow event."""
    return ["lost" if values[1] == OVERFLOW else values[0] for _, values in heard]


# 5.13.1.5 and 7.22.3: the overflow event takes no place in the queue; it comes first when the
# oldest are discarded, last otherwise, where the newest event is replaced.
@pytest.mark.parametrize(
    ("oldest", "expected"), [(True, ["lost", 4, 5, 6]), (False, [1, 2, 6, "lost"])]
)
async def test_a_full_queue_says_that_events_are_lost(
    listener: Listener, emit: Any, oldest: bool, expected: list[Any]
) -> None:
    listener.listen(event_filter("Severity", "EventType"), queue=3, oldest=oldest)
    emit(*range(1, 7))
    assert kinds(listener.hear()) == expected
    emit(8)
    assert kinds(listener.hear()) == [8]


# 7.22.3: the where clause has no say in overflow events; Part 5, 6.4.34: what they are like.
async def test_an_overflow_event_comes_from_the_server_whatever_the_where_clause_says(
    listener: Listener, emit: Any
) -> None:
    names = ("EventType", "SourceNode", "SourceName")
    listener.listen(event_filter(*names, where=at_least(999)), queue=1)
    emit(1000, 1000)
    first, second = listener.hear()
    assert first[1] == [OVERFLOW, SERVER, "Internal/EventQueueOverflow"]
    assert second[1] == [BASE, SERVER, "Server"]


# 7.21: a queue size of 0 asks for the server's default, a large one for its maximum.
async def test_queue_sizes_are_revised(make_bench: Any, user: Any) -> None:
    bench = make_bench(Limits(max_monitored_items_queue_size=500))
    subscriber = await user(8, bench=bench)
    listener = Listener(subscriber, subscriber.subscribe())
    sizes = [listener.create(queue=size).RevisedQueueSize for size in (0, 1, 7, 2**32 - 1)]
    assert sizes == [100, 1, 7, 500]
    assert listener.create().RevisedSamplingInterval == 0.0


# 5.14.1.1: MaxNotificationsPerPublish counts events and values together.
async def test_a_message_holds_no_more_events_and_values_than_asked_for(
    subscriber: Any, emit: Any, plant: Any
) -> None:
    subscription = subscriber.subscribe(MaxNotificationsPerPublish=4)
    plant.set("ph", 7.0)
    plant.set("stage", 1)
    subscriber.monitor(subscription, "pH", 11)
    subscriber.monitor(subscription, "Stage", 12)
    Listener(subscriber, subscription).listen()
    emit(*range(1, 7))
    for _ in range(3):
        subscriber.parked.append(subscriber.publish())
    messages = subscriber.messages()
    sizes = [
        sum(
            len(getattr(one, "Events", None) or getattr(one, "MonitoredItems", ()))
            for one in message.NotificationMessage.NotificationData or ()
        )
        for message in messages
    ]
    assert max(sizes) == 4
    assert sum(sizes) == 8
    assert messages[0].MoreNotifications
    assert fields_of(messages) == [(1, [n]) for n in range(1, 7)]


# 7.26: one NotificationMessage holds both, data changes first.
async def test_values_and_events_share_a_message(subscriber: Any, emit: Any, plant: Any) -> None:
    subscription = subscriber.subscribe()
    plant.set("ph", 7.0)
    subscriber.monitor(subscription, "pH", 11)
    Listener(subscriber, subscription).listen()
    emit(1)
    (message,) = subscriber.messages()
    kinds = [type(n).__name__ for n in message.NotificationMessage.NotificationData]
    assert kinds == ["DataChangeNotification", "EventNotificationList"]


# 5.14.6: a message with events can be had again.
async def test_a_message_with_events_is_republished_as_it_was(
    listener: Listener, emit: Any
) -> None:
    listener.listen()
    emit(6)
    (message,) = listener.subscriber.messages()
    request = ua.RepublishRequest()
    request.Parameters = ua.RepublishParameters(
        listener.subscription, message.NotificationMessage.SequenceNumber
    )
    again = listener.subscriber.ask(request).NotificationMessage
    assert encode_message(again) == encode_message(message.NotificationMessage)


async def test_an_event_larger_than_the_client_takes_says_so_in_its_fields(
    bench: Any, subscriber: Any, emit: Any
) -> None:
    listener = Listener(subscriber, subscriber.subscribe())
    listener.listen(event_filter("Message", "Severity"))
    subscriber.client.handle.max_response_size = 8192
    bench.front_end.events.emit(Event(SERVER, 5, ua.LocalizedText("x" * 10_000)))
    emit(6)
    first, second = listener.hear()
    too_large = ua.StatusCode(S.BadEncodingLimitsExceeded)
    assert first == (1, [too_large, too_large])
    assert second == (1, [ua.LocalizedText("event 6"), 6])


# -- modes, changes and links -------------------------------------------------------------------


# 5.13.1.3: Disabled queues nothing, Sampling queues and keeps, Reporting sends.
async def test_the_monitoring_mode_rules_events_too(listener: Listener, emit: Any) -> None:
    item = listener.listen(mode=DISABLED)
    emit(1)
    assert listener.severities() == []
    listener.set_mode(item, SAMPLING)
    emit(2)
    assert listener.severities() == []
    listener.set_mode(item, REPORTING)
    emit(3)
    assert listener.severities() == [2, 3]
    listener.set_mode(item, SAMPLING)
    emit(4)
    listener.hear()
    listener.set_mode(item, DISABLED)
    listener.set_mode(item, REPORTING)
    assert listener.severities() == []


async def test_events_from_before_the_item_are_not_heard(listener: Listener, emit: Any) -> None:
    listener.listen(handle=1)
    emit(1)
    listener.listen(handle=2)
    emit(2)
    assert sorted(listener.hear()) == [(1, [1]), (1, [2]), (2, [2])]


# 5.13.3: a new filter and a new queue size.
async def test_an_item_gets_another_filter(listener: Listener, emit: Any) -> None:
    item = listener.listen(queue=5)
    assert listener.modify(item, event_filter("Severity", where=at_least(10))).StatusCode.value == 0
    emit(9, 10)
    assert listener.severities() == [10]
    refused = listener.modify(item, event_filter("Severity", "Time", where=[element(99)]))
    assert refused.StatusCode.value == S.BadEventFilterInvalid
    emit(9, 11)
    assert listener.severities() == [11]
    named = listener.modify(item, event_filter("Flavour"), queue=7)
    assert (named.StatusCode.value, named.RevisedQueueSize) == (0, 7)
    assert named.FilterResult.SelectClauseResults[0].value == S.BadNodeIdUnknown


async def test_a_deleted_item_hears_nothing_more(listener: Listener, emit: Any) -> None:
    item = listener.listen()
    emit(1)
    assert listener.severities() == [1]
    assert listener.subscriber.delete(listener.subscription, item) == [S.Good]
    emit(2)
    assert listener.severities() == []


# 5.13.5: an event lets linked items report.
async def test_an_event_triggers_the_items_that_are_linked_to_it(
    listener: Listener, emit: Any, plant: Any
) -> None:
    subscriber, subscription = listener.subscriber, listener.subscription
    plant.set("ph", 7.5)
    trigger = listener.listen(event_filter("Severity", where=at_least(100)), mode=SAMPLING)
    sampled = subscriber.monitor(subscription, "pH", 22, SAMPLING)
    subscriber.trigger(subscription, trigger, [sampled])
    emit(99)
    assert subscriber.messages() == [] or subscriber.values() == []
    emit(100)
    assert subscriber.values() == [(22, 7.5)]


# 5.14.7: events go on for the new owner, with the new owner's rights.
async def test_a_transferred_subscription_hears_with_its_new_owner(
    bench: Any, user: Any, emit: Any
) -> None:
    before, after = await user(3), await user(4)
    subscription = before.subscribe()
    Listener(before, subscription).listen()
    after.transfer(subscription)
    emit(5)
    assert Listener(after, subscription).severities(0.2) == [5]


@pytest.mark.parametrize(("address", "kept"), [("192.0.2.7", []), ("127.0.0.1", [1])])
async def test_events_that_were_sent_are_not_repeated_to_an_owner_with_other_rights(
    user: Any, emit: Any, address: str, kept: list[int]
) -> None:
    """Audit events go over encrypted channels only: another session of the same user is no way
    around it. Nobody knows any more where the events in a message came from."""
    before = await user(3, remote_address="127.0.0.1:4000")
    after = await user(4, remote_address=f"{address}:5000")
    subscription = before.subscribe()
    listener = Listener(before, subscription)
    item = listener.listen()
    emit(5)
    assert listener.severities(0.2) == [5]
    before.delete(subscription, item)
    (result,) = after.transfer(subscription).Parameters.Results
    assert list(result.AvailableSequenceNumbers or ()) == kept


# A client that is behind loses events and is told; whoever emits never waits.
async def test_more_events_than_the_journal_holds_are_reported_as_lost(
    bench: Any, listener: Listener, emit: Any
) -> None:
    listener.listen(event_filter("Severity", "EventType"), queue=10_000)
    emit(*([1] * 10_002))
    heard = kinds(listener.hear(1.0))
    assert heard[0] == "lost"
    assert len(heard) == 10_001
    assert bench.front_end.subscriptions.manager.items.events.lost == 2
