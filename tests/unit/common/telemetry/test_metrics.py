"""What is counted, and how it is read."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.metrics.export import Metric
from opentelemetry.sdk.resources import Resource
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from common.telemetry.definitions import MetricKind, counter, gauge, histogram
from common.telemetry.exposition import OPENMETRICS, render
from common.telemetry.metrics import MAX_SERIES, OTHER, Counter, Histogram, Metrics, Observed
from common.telemetry.names import LABELS, METRICS
from tests.support.clock import FakeClock

THINGS = counter("axbridge.test.things", "", "Things.", "kind")
LEVEL = gauge("axbridge.test.level", "By", "A level.")
TIMES = histogram("axbridge.test.times", "s", "Times.", "kind", bounds=(0.1, 1.0))
TRACE = bytes(range(16))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics(clock: FakeClock) -> Metrics:
    return Metrics(Resource({"service.name": "test"}), clock)


def samples(metrics: Metrics, accept: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, _ = render(metrics.read(), accept)
    parse = parse_openmetrics if accept else parse_text
    families = parse(body.decode())
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value for family in families for each in family.samples
    }


def test_counters_and_gauges_are_read_as_they_are(metrics: Metrics) -> None:
    things, level = Counter(THINGS, ("a",)), 7
    metrics.add(things)
    metrics.observe(LEVEL, lambda: level)
    things.add(("b",), 2)
    level = 9
    read = samples(metrics)
    assert read["axbridge_test_things_total", (("kind", "a"),)] == 0
    assert read["axbridge_test_things_total", (("kind", "b"),)] == 2
    assert read["axbridge_test_level_bytes", ()] == 9


def test_a_histogram_has_its_values_in_the_right_buckets(metrics: Metrics) -> None:
    times = Histogram(TIMES)
    metrics.add(times)
    for value in (0.05, 0.1, 0.100001, 1.0, 5.0):
        times.record(value, ("a",))
    read = samples(metrics)
    buckets = [read["axbridge_test_times_seconds_bucket", (("kind", "a"), ("le", le))] for le in ("0.1", "1.0", "+Inf")]
    assert buckets == [2, 4, 5]
    assert read["axbridge_test_times_seconds_count", (("kind", "a"),)] == 5
    assert read["axbridge_test_times_seconds_sum", (("kind", "a"),)] == pytest.approx(6.250001)


@given(st.lists(st.floats(0, 10), max_size=30))
def test_every_value_is_in_one_bucket(values: list[float]) -> None:
    clock = FakeClock()
    metrics, times = Metrics(Resource({}), clock), Histogram(TIMES)
    metrics.add(times)
    for value in values:
        times.record(value, ("a",))
    read = samples(metrics)
    for le, bound in (("0.1", 0.1), ("1.0", 1.0), ("+Inf", 99)):
        expected = sum(value <= bound for value in values)
        assert read.get(("axbridge_test_times_seconds_bucket", (("kind", "a"), ("le", le))), 0) == expected


def test_a_traced_value_leads_to_its_trace(metrics: Metrics, clock: FakeClock) -> None:
    times = Histogram(TIMES, clock)
    metrics.add(times)
    times.record(0.5, ("a",), TRACE)
    times.record(0.6, ("a",))
    body, content_type = render(metrics.read(), f"{OPENMETRICS};version=1.0.0")
    assert content_type.startswith(OPENMETRICS)
    (family,) = [each for each in parse_openmetrics(body.decode()) if each.name == "axbridge_test_times_seconds"]
    exemplars = {each.labels["le"]: each.exemplar for each in family.samples if each.name.endswith("_bucket")}
    exemplar = exemplars["1.0"]
    assert exemplar is not None
    assert exemplar.labels == {"trace_id": TRACE.hex()}
    assert exemplar.value == 0.5
    assert float(exemplar.timestamp) == clock.now().timestamp()
    assert exemplars["0.1"] is None
    assert exemplars["+Inf"] is None
    plain, _ = render(metrics.read(), "text/plain")
    assert TRACE.hex() not in plain.decode()


def test_exemplars_are_in_opentelemetrys_data_too(metrics: Metrics, clock: FakeClock) -> None:
    times = Histogram(TIMES, clock)
    metrics.add(times)
    times.record(0.5, ("a",), TRACE)
    (metric,) = metrics.read().resource_metrics[0].scope_metrics[0].metrics
    assert isinstance(metric.data, HistogramData)
    (point,) = metric.data.data_points
    assert [each.trace_id for each in point.exemplars] == [int.from_bytes(TRACE, "big")]
    assert point.bucket_counts == [0, 1, 0]


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_whatever_a_label_holds_can_be_read(accept: str, texts: list[str]) -> None:
    metrics, things = Metrics(Resource({}), FakeClock()), Counter(THINGS)
    metrics.add(things)
    for text in texts:
        things.add((text.encode("utf-8", "replace").decode(),))
    total = sum(value for (name, _), value in samples(metrics, accept).items() if name == "axbridge_test_things_total")
    assert total == len(texts)


def test_no_flood_of_label_values_makes_more_series_than_the_bound(metrics: Metrics) -> None:
    things, times = Counter(THINGS), Histogram(TIMES)
    metrics.add(things, times)
    for number in range(3 * MAX_SERIES):
        things.add((str(number),))
        times.record(1.0, (str(number),))
    for metric in metrics.read().resource_metrics[0].scope_metrics[0].metrics:
        assert len(metric.data.data_points) <= MAX_SERIES + 1
    assert things.value((OTHER,)) == 2 * MAX_SERIES
    assert times.count((OTHER,)) == 2 * MAX_SERIES


def test_a_name_is_counted_in_one_place(metrics: Metrics) -> None:
    metrics.add(Counter(THINGS))
    with pytest.raises(ValueError, match=r"axbridge\.test\.things"):
        metrics.add(Observed(THINGS, lambda: 0))


def test_what_was_read_does_not_change_any_more(metrics: Metrics) -> None:
    things, times = Counter(THINGS), Histogram(TIMES)
    metrics.add(things, times)
    times.record(0.5, ("a",))
    data = metrics.read()
    before = [point(each) for each in data.resource_metrics[0].scope_metrics[0].metrics]
    times.record(0.5, ("a",))
    things.add(("a",))
    assert [point(each) for each in data.resource_metrics[0].scope_metrics[0].metrics] == before


def point(metric: Metric) -> str:
    return "".join(each.to_json() for each in metric.data.data_points)


class TestNames:
    """The table of all metrics."""

    def test_each_has_a_name_of_its_own(self) -> None:
        series = [name for each in METRICS for name in each.series_names]
        assert len(set(series)) == len(series)

    def test_prometheus_can_write_them(self) -> None:
        allowed = set(string.ascii_lowercase + string.digits + "_")
        assert all(set(each.family) <= allowed for each in METRICS)

    def test_each_says_what_it_is(self) -> None:
        assert all(each.meaning.endswith(".") for each in METRICS)

    def test_each_label_says_what_it_can_hold(self) -> None:
        used = {label for each in METRICS for label in each.labels}
        assert used == set(LABELS)

    def test_no_label_is_for_what_somebody_sent(self) -> None:
        words = {"number", "sid", "session", "call_id", "url", "path", "error", "message", "user", "caller", "name"}
        assert not {label for label in LABELS if any(word in label for word in words)}

    def test_histograms_have_rising_bounds_and_nothing_else_has(self) -> None:
        for each in METRICS:
            assert list(each.bounds) == sorted(set(each.bounds))
            assert bool(each.bounds) == (each.kind is MetricKind.HISTOGRAM)
