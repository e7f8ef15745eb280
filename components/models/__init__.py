"""The Model contract, and one folder per model in rooms by domain.

``ARTHAFLOW_MODEL_PATH`` adds folders with further rooms; they import as ``components.models.<room>.<model>`` too, in
this process and in every process it starts.
"""

import os

__path__ = [*__path__, *filter(None, os.environ.get("ARTHAFLOW_MODEL_PATH", "").split(os.pathsep))]
