"""Python imports this before `athena` starts (`tests.faults.server` puts the folder first in PYTHONPATH)."""

import os
import traceback

try:
    from tests.faults.broken import VARIANTS

    for name in filter(None, os.environ["FAULTS"].split(",")):
        VARIANTS[name]()
except BaseException:  # Python itself would continue without the fault
    traceback.print_exc()
    os._exit(70)
