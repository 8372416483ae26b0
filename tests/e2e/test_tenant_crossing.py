"""Two tenants' random steps over every entrance; `tests/soak/tenant_crossing.py` makes 100,000 of them."""

from pathlib import Path

from tests.soak.tenant_crossing import play


def test_neither_tenant_sees_or_touches_what_is_the_others(tmp_path: Path) -> None:
    outcomes = play(tmp_path, steps=600, seed=7).outcomes
    # Both sides of every rule were tried.
    for served in ("CreateBinding OK", "ListBindings OK", "GetTenant OK", "event 200", "query 1004"):
        assert outcomes[served], served
    for refused in ("CreateBinding", "ListBindings", "DeleteBinding", "ListCalls", "ListQuarantined"):
        assert outcomes[f"{refused} PermissionDeniedError"], refused
    assert outcomes["event 403"]
    assert outcomes["query 1007"]
    assert outcomes["ResolveBatch refused"]
