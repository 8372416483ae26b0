"""What does not answer is left alone, and found again."""

import asyncio

import pytest

from routing_service.cache.breaker import FAILURES_TO_OPEN, Breaker


class Patient:
    def __init__(self) -> None:
        self.probes = 0
        self.well = False

    async def probe(self) -> None:
        self.probes += 1
        if not self.well:
            raise OSError("still away")


async def no_sleep(_seconds: float) -> None:
    await asyncio.sleep(0)


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_a_few_failures_in_a_row_open_it_and_the_first_good_probe_closes_it() -> None:
    patient = Patient()
    breaker = Breaker("it", patient.probe, no_sleep)
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed()
    assert not breaker.is_open
    breaker.failed()
    breaker.failed()
    assert breaker.is_open
    await turns(20)
    assert breaker.is_open
    assert patient.probes > 1
    patient.well = True
    await turns(4)

    assert not breaker.is_open
    probes = patient.probes
    await turns(20)
    assert patient.probes == probes, "nobody probes what answers"


async def test_an_answer_in_between_starts_the_count_again() -> None:
    breaker = Breaker("it", Patient().probe, no_sleep)
    for _ in range(10):
        for _ in range(FAILURES_TO_OPEN - 1):
            breaker.failed()
        breaker.succeeded()

    assert not breaker.is_open


async def test_it_can_open_again() -> None:
    patient = Patient()
    breaker = Breaker("it", patient.probe, no_sleep)
    patient.well = True
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN):
            breaker.failed()
        assert breaker.is_open
        await turns(4)
        assert not breaker.is_open


@pytest.mark.parametrize("failures", [0, FAILURES_TO_OPEN])
async def test_closing_ends_the_probing(failures: int) -> None:
    patient = Patient()
    breaker = Breaker("it", patient.probe, no_sleep)
    for _ in range(failures):
        breaker.failed()
    await breaker.close()
    probes = patient.probes
    await turns(10)

    assert patient.probes == probes
