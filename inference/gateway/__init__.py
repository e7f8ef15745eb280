"""The gateway: the one door in front of the models' V2 endpoints.

It knows the models from a file (``--models``), which it reads again when it changes. What it passes on is a list, not
whatever comes: metadata, readiness, inference and explanation of the models that the file names, with the headers that
the protocol needs. Repository endpoints are not among them.
"""
