"""A client for readers of a tenant's events and calls: subscribe, deal with deliveries, acknowledge.

```python
async with AxbridgeClient("events.example.com:50052", api_key=key, tls=ClientTls()) as client:
    await client.create_subscription("100001", "billing", content=Content.CALLS)
    async for delivery in client.subscribe("100001", "billing"):
        await book(delivery.call)
```

Asking for the next delivery acknowledges the one before; with `auto_ack=False`, `delivery.ack()` does. The stream is
opened again after every cut. What was not acknowledged comes again, so a delivery can be seen twice: key by
`delivery.event` (tenant, session, callId, seq, code) or by the call's session and revision.
"""

from axbridge_client.client import AxbridgeClient, ClientTls, Content, Start
from axbridge_client.deliveries import Deliveries, Delivery
from axbridge_client.reconnecting import Patience

__all__ = ["AxbridgeClient", "ClientTls", "Content", "Deliveries", "Delivery", "Patience", "Start"]
