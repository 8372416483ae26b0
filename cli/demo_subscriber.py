"""The demo's subscriber: a system of the enterprise's own that follows a call, is cut off, and goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rich.text import Text

from axbridge_client import AxbridgeClient, Content, Delivery
from cli.calls import state_word
from cli.output import local_time
from common.protocol_codes import EventCode

NAME = "billing"
# Deliveries before the cut; the last of them is not acknowledged.
BEFORE_CUT = 3

ShowText = Callable[[Text], None]


@dataclass(slots=True)
class DemoSubscriber:
    """Follows the call `session_id` of `tenant_id` through the event service at `target`."""

    target: str
    tenant_id: str
    session_id: str
    show: ShowText
    # What was delivered, in order: `seq` of each event, and the state that a record had.
    received: list[str] = field(default_factory=list)
    final_state: str = ""

    async def create(self) -> None:
        """Make the subscription: it gets everything from now on, also while nobody is connected."""
        self._say(f'await client.create_subscription("{self.tenant_id}", "{NAME}", content=Content.EVENTS_AND_CALLS)')
        async with AxbridgeClient(self.target) as client:
            await client.create_subscription(self.tenant_id, NAME, content=Content.EVENTS_AND_CALLS)

    async def follow_until_cut(self) -> None:
        """Take the first deliveries, then drop the connection before the last of them is acknowledged."""
        await self._follow(is_to_the_end=False)
        self.show(Text("✂ disconnected, the last one not acknowledged", style="yellow"))

    async def resume(self) -> None:
        """Connect again, as a new process would, and go on until the call's record comes."""
        await self._follow(is_to_the_end=True)

    async def _follow(self, *, is_to_the_end: bool) -> None:
        self._say(f'async for delivery in client.subscribe("{self.tenant_id}", "{NAME}"):')
        async with AxbridgeClient(self.target) as client:
            count = 0
            async for delivery in client.subscribe(self.tenant_id, NAME, consumer="demo"):
                count += 1
                if self._take(delivery):
                    await delivery.ack()
                    return
                if count == BEFORE_CUT and not is_to_the_end:
                    return

    def _take(self, delivery: Delivery) -> bool:
        """Note a delivery; whether it is the call's record."""
        place = f"partition {delivery.partition}, position {delivery.position}"
        if delivery.event is not None:
            event = delivery.event.event
            again = " (again)" if event.seq in self.received else ""
            self.received.append(event.seq)
            self.show(Text(f"← {place}: {event.code} {EventCode.describe(event.code)}{again}", style="green"))
        elif delivery.call is not None:
            self.final_state = state_word(delivery.call)
            ended = local_time(delivery.call.ended_at)
            self.show(Text(f"← {place}: the record, {self.final_state}, ended {ended}", style="bold green"))
        return delivery.call is not None and delivery.call.session_id == self.session_id

    def _say(self, code: str) -> None:
        self.show(Text(f">>> {code}", style="bold cyan"))
