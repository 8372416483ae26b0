"""Which enterprises metrics name."""

import re
from collections.abc import Callable, Iterable

from common.telemetry.metrics import OTHER

UNKNOWN = "unknown"
# A vccId that could be somebody's number is not named.
_NUMBER_LIKE = re.compile(r"\d{11}")
_MAX_CHARACTERS = 64


class TenantLabels:
    """The value of the label `tenant`: an enterprise's vccId for the first `most` of them, `other` for the rest.

    The enterprises in `first` have their places whenever they come. What is said to be an enterprise and is none is
    `unknown`: the label's values are never what somebody sent.
    """

    def __init__(self, most: int, is_known: Callable[[str], bool], first: Iterable[str] = ()) -> None:
        self._is_known = is_known
        # The enterprises that have a name of their own, for those who can't wait for a call.
        self.named: dict[str, str] = {}
        self._most = most
        for tenant_id in first:
            self._name(tenant_id)

    def of(self, tenant_id: str, *, surely_known: bool = False) -> str:
        """The label of an enterprise. `surely_known`: that there is one has just been seen."""
        label = self.named.get(tenant_id)
        if label is not None:
            return label
        return self._name(tenant_id) if surely_known or self._is_known(tenant_id) else UNKNOWN

    def _name(self, tenant_id: str) -> str:
        if len(self.named) >= self._most or len(tenant_id) > _MAX_CHARACTERS or _NUMBER_LIKE.search(tenant_id):
            return OTHER
        self.named[tenant_id] = tenant_id
        return tenant_id
