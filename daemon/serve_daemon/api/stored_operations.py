"""What can be asked about responses that are kept."""

from serve_daemon.api.fields import Table
from serve_daemon.api.operation import Operation, Parameter
from serve_daemon.api.response_objects import Response
from serve_daemon.api.response_operations import RESPONSE_EVENTS
from serve_daemon.api.schemas import schema_of
from serve_daemon.api.stored_responses import ITEM_QUERY, RESPONSE_QUERY, Deleted, ItemList

RESPONSE_ID = Parameter("response_id", "path", {"type": "string", "minLength": 1})


def parameters(table: Table) -> tuple[Parameter, ...]:
    """Those that a query is read by."""
    return tuple(
        Parameter(name, "query", schema_of(field.read), field.note) for name, field in table.items()
    )


STORED_OPERATIONS = (
    Operation(
        method="get",
        path="/v1/responses/{response_id}",
        name="retrieveResponse",
        summary="A response that is kept, or its events, whoever has asked for it first",
        parameters=(RESPONSE_ID, *parameters(RESPONSE_QUERY)),
        replies=(Response,),
        events=RESPONSE_EVENTS,
    ),
    Operation(
        method="delete",
        path="/v1/responses/{response_id}",
        name="deleteResponse",
        summary="Forget a response",
        parameters=(RESPONSE_ID,),
        replies=(Deleted,),
    ),
    Operation(
        method="get",
        path="/v1/responses/{response_id}/input_items",
        name="listInputItems",
        summary="What a response was asked, with all that it goes on from",
        parameters=(RESPONSE_ID, *parameters(ITEM_QUERY)),
        replies=(ItemList,),
    ),
    Operation(
        method="post",
        path="/v1/responses/{response_id}/cancel",
        name="cancelResponse",
        summary="End a response in the background",
        parameters=(RESPONSE_ID,),
        replies=(Response,),
    ),
)
