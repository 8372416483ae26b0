"""For all tests."""

import os

from hypothesis import settings

# A busy machine is no fault of the code: nothing is asserted about time here. What decides on a change tries the same
# examples for everybody; new ones are looked for everywhere else.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")
