"""What is wrong with a service's settings, for the people who set them."""

from pathlib import Path

from pydantic import ValidationError

from common.errors import InvalidArgumentError


def settings_problem(error: ValidationError, prefix: str) -> str:
    """One line that names each environment variable that is wrong and says why; no value is repeated in it."""
    parts = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        name = "_".join(str(part) for part in problem["loc"]).upper()
        parts.append(f"{prefix}{name}: {problem['msg']}" if name else problem["msg"])
    return "; ".join(part.replace("\n", " ") for part in parts)


def make_data_directory(directory: Path, prefix: str) -> None:
    """Make the directory of the embedded database. Raises InvalidArgumentError that says which settings to change."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgumentError(
            f"{prefix}DATA_DIR",
            f"{directory.absolute()} can't be made ({error.strerror}): set it to a directory that can be written, "
            f"or {prefix}DATABASE_URL to a PostgreSQL database",
        ) from error
