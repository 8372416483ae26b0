"""RouteCache whose documents are sealed, and whose keys hold no numbers."""

from collections.abc import Sequence
from dataclasses import replace

from common.at_rest.key_ring import KeyRing
from common.errors import AxbridgeError
from common.logs import get_logger
from routing_service.cache.ports import CacheAnswer, CacheEntry, CacheKey, RouteCache

_log = get_logger(__name__)


class SealedCache:
    """RouteCache in front of another one. What does not open counts as not there.

    Of tenants without keys nothing is remembered: they have no bindings.
    """

    def __init__(self, cache: RouteCache, keys: KeyRing) -> None:
        self._cache = cache
        self._keys = keys

    async def look_up(self, keys: Sequence[CacheKey]) -> Sequence[CacheAnswer]:
        keyless = await self._keyless(keys)
        hashed = [self._hashed(key, keyless) for key in keys]
        answers = await self._cache.look_up(hashed)
        return [self._opened(key, answer) for key, answer in zip(hashed, answers, strict=True)]

    async def fill(self, entries: Sequence[CacheEntry]) -> None:
        keyless = await self._keyless([each.key for each in entries])
        sealed = []
        for each in entries:
            if each.key.scope.tenant_id in keyless:
                continue
            key = self._hashed(each.key, keyless)
            document = self._keys.seal_bytes(key.scope.tenant_id, _place(key), each.document)
            sealed.append(replace(each, key=key, document=document))
        await self._cache.fill(sealed)

    async def _keyless(self, keys: Sequence[CacheKey]) -> frozenset[str]:
        """The tenants that have no keys, or none that can be read now."""
        tenant_ids = {key.scope.tenant_id for key in keys}
        try:
            return frozenset(await self._keys.ensure(tenant_ids))
        except AxbridgeError as error:
            _log.warning("cached values can't be opened", detail=error.message)
            return frozenset(self._keys.without_keys(tenant_ids))

    def _hashed(self, key: CacheKey, keyless: frozenset[str]) -> CacheKey:
        if key.scope.tenant_id in keyless:
            return CacheKey(key.scope, _NOBODY if key.calling_number else "")
        return CacheKey(key.scope, self._keys.number_key(key.scope.tenant_id, key.calling_number))

    def _opened(self, key: CacheKey, answer: CacheAnswer) -> CacheAnswer:
        if answer.document is None:
            return answer
        try:
            document = self._keys.open_bytes(key.scope.tenant_id, _place(key), answer.document)
        except AxbridgeError as error:
            _log.warning("a cached value can't be opened", detail=error.message)
            return CacheAnswer(None, answer.lease)
        return replace(answer, document=document)


# Nothing is ever filled under this.
_NOBODY = "-"


def _place(key: CacheKey) -> tuple[str, ...]:
    return ("cache", key.scope.access_number, key.calling_number)
