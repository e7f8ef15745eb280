"""Which methods a path has: a refusal of another one lists them all, though each method is a route of its own."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path


class AllowedMethods:
    """The methods of every path of an application.

    Parameters
    ----------
    routes : sequence of BaseRoute
        Of the application, after the last was added.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._methods: dict[str, set[str]] = {}
        for route in iter_route_contexts(routes):
            if route.path_format is not None and route.methods:
                self._methods.setdefault(route.path_format, set()).update(route.methods)
        self._forms = [(compile_path(path)[0], path) for path in self._methods]

    def of(self, path: str) -> str:
        """Return the methods of a path, as the header ``Allow`` lists them; one without parameters goes first."""
        paths = [path] if path in self._methods else [known for form, known in self._forms if form.match(path)]
        methods = {method for known in paths for method in self._methods[known]}
        return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
