"""For all tests."""

import os

from hypothesis import settings

# Before gRPC is loaded: it would take part in each fork, and write to the child's output now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

# A busy machine is no fault of the code: nothing is asserted about time here. What decides on a change tries the same
# examples for everybody; new ones are looked for everywhere else.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("suite")
