"""Options that several commands share, declared once as a dataclass and spread into each command's signature."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints


def spread_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take option groups: parameters whose type is a dataclass with Annotated typer fields.

    Typer sees the fields as options of the command; the command is called with the groups filled in. Without this each
    command would repeat every shared option in its signature.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Any], list[str]]] = {}
    annotations: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        annotation = hints[parameter.name]
        if not _is_group(annotation):
            parameters.append(parameter.replace(annotation=annotation, kind=inspect.Parameter.KEYWORD_ONLY))
            annotations[parameter.name] = annotation
            continue
        field_hints = get_type_hints(annotation, include_extras=True)
        names = [field.name for field in fields(annotation)]
        groups[parameter.name] = (annotation, names)
        for field in fields(annotation):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            parameters.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=field_hints[field.name]
                )
            )
            annotations[field.name] = field_hints[field.name]

    def run(**values: Any) -> None:
        for name, (group, names) in groups.items():
            values[name] = group(**{field_name: values.pop(field_name) for field_name in names})
        command(**values)

    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    run.__module__ = command.__module__
    run.__annotations__ = annotations
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "__dataclass_fields__")
