"""What a run found: counts, failures and latencies."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.checker import Finding, Rule
from simulator.scenario import Scenario

MAX_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles in milliseconds of `count` answers; all 0 when there was none."""

    count: int
    p50: float
    p90: float
    p99: float
    highest: float


@dataclass(frozen=True, slots=True)
class Example:
    """A finding with the call that it was found in."""

    session_id: str
    finding: Finding


@dataclass(slots=True)
class ScenarioCounts:
    """What happened in the calls of one scenario."""

    calls: int = 0
    routed: int = 0
    events: int = 0
    acknowledged: int = 0
    findings: int = 0


@dataclass(slots=True)
class Report:
    """Grows while a run goes on."""

    scenarios: dict[Scenario, ScenarioCounts] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)
    broken_rules: Counter[Rule] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    query_seconds: list[float] = field(default_factory=list)
    event_seconds: list[float] = field(default_factory=list)
    repeated_queries: int = 0
    repeated_events: int = 0
    retried_events: int = 0
    interrupted: bool = False
    took_seconds: float = 0.0

    def counts(self, scenario: Scenario) -> ScenarioCounts:
        return self.scenarios.setdefault(scenario, ScenarioCounts())

    def add_findings(self, scenario: Scenario, session_id: str, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.counts(scenario).findings += 1
            self.broken_rules[finding.rule] += 1
            if len(self.examples) < MAX_EXAMPLES:
                self.examples.append(Example(session_id, finding))

    @property
    def calls(self) -> int:
        return sum(counts.calls for counts in self.scenarios.values())

    @property
    def events(self) -> int:
        """Different events that were sent."""
        return sum(counts.events for counts in self.scenarios.values())

    @property
    def acknowledged(self) -> int:
        """Different events that got a 200."""
        return sum(counts.acknowledged for counts in self.scenarios.values())

    @property
    def passed(self) -> bool:
        """True when calls were played and nothing was wrong with any answer."""
        return self.calls > 0 and not self.broken_rules and not self.interrupted

    def as_dict(self) -> dict[str, Any]:
        """The whole report for programs, in plain JSON types."""
        return {
            "passed": self.passed,
            "interrupted": self.interrupted,
            "calls": self.calls,
            "events": self.events,
            "acknowledged": self.acknowledged,
            "repeated_queries": self.repeated_queries,
            "repeated_events": self.repeated_events,
            "retried_events": self.retried_events,
            "took_seconds": round(self.took_seconds, 3),
            "results": dict(sorted(self.results.items())),
            "scenarios": {
                scenario.value: {
                    "calls": counts.calls,
                    "routed": counts.routed,
                    "events": counts.events,
                    "acknowledged": counts.acknowledged,
                    "findings": counts.findings,
                }
                for scenario, counts in sorted(self.scenarios.items(), key=lambda item: item[0].value)
            },
            "query_milliseconds": _latency_dict(percentiles(self.query_seconds)),
            "event_milliseconds": _latency_dict(percentiles(self.event_seconds)),
            "broken_rules": {rule.name: count for rule, count in self.broken_rules.most_common()},
            "examples": [
                {"sid": example.session_id, "rule": example.finding.rule.name, "detail": example.finding.detail}
                for example in self.examples
            ],
        }


def percentiles(seconds: Sequence[float]) -> Latencies:
    """Nearest-rank percentiles of these durations."""
    if not seconds:
        return Latencies(0, 0.0, 0.0, 0.0, 0.0)
    ordered = sorted(seconds)

    def rank(percent: int) -> float:
        return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] * 1000

    return Latencies(len(ordered), rank(50), rank(90), rank(99), ordered[-1] * 1000)


def _latency_dict(latencies: Latencies) -> dict[str, float]:
    return {
        "count": latencies.count,
        "p50": round(latencies.p50, 3),
        "p90": round(latencies.p90, 3),
        "p99": round(latencies.p99, 3),
        "max": round(latencies.highest, 3),
    }
