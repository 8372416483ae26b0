"""Shadow replays."""

from axbridge.routing.v1 import routing_service_pb2

from common.errors import InvalidArgumentError
from routing_service.convert.bindings import kind_from_proto, terms_from_proto
from routing_service.convert.routing import decision_to_proto
from routing_service.convert.values import moment_from_proto
from routing_service.service.shadow import Proposal, ProposedBinding, ShadowDifference, ShadowQuery


def proposal_from_proto(message: routing_service_pb2.ShadowProposal) -> Proposal:
    """The proposal. Raises InvalidArgumentError."""
    proposed = []
    for place, each in enumerate(message.bindings):
        if each.tenant_id not in ("", message.tenant_id):
            raise InvalidArgumentError(
                f"proposal.bindings[{place}].tenant_id", "the binding is of another enterprise than the proposal"
            )
        try:
            proposed.append(ProposedBinding(each.binding_id, terms_from_proto(each, kind_from_proto(each))))
        except InvalidArgumentError as error:
            field = error.field.replace("binding", f"proposal.bindings[{place}]", 1)
            raise InvalidArgumentError(field, error.message.removeprefix(f"{error.field}: ")) from error
    return Proposal(message.tenant_id, proposed, list(message.deleted_binding_ids))


def shadow_query_from_proto(message: routing_service_pb2.ShadowQuery, field: str) -> ShadowQuery:
    """The query. Raises InvalidArgumentError when it has no time."""
    at = moment_from_proto(message, "at", f"{field}.at")
    if at is None:
        raise InvalidArgumentError(f"{field}.at", "the time of the query is needed")
    return ShadowQuery(message.session_id, message.calling_number, message.access_number, at)


def difference_to_proto(
    difference: ShadowDifference, query: routing_service_pb2.ShadowQuery
) -> routing_service_pb2.ShadowDifference:
    return routing_service_pb2.ShadowDifference(
        query=query,
        present=decision_to_proto(difference.present),
        proposed=decision_to_proto(difference.proposed),
    )
