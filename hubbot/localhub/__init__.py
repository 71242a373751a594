"""The embedded Hub: what the demo and the tests talk to instead of huggingface.co.

Only the demo command and the tests import this room; the rest of hubbot does not know that it
exists and reaches it through ``HF_ENDPOINT``. Start reading at :mod:`hubbot.localhub.server`.
"""
