"""Applications in files become drafts."""

from __future__ import annotations

from collections.abc import Sequence

from infra.control.applications.log import act, read_cases
from infra.control.facts import Action, Applied
from infra.control.identity import identity, signers_of
from infra.runtime.settings import Settings
from schemas.act import Drafted
from schemas.application import Application


class Drafts:
    """Applications with the file of each, beside those there are. ConfigError, when made, if nobody is known to act."""

    def __init__(self, settings: Settings, applications: Sequence[tuple[str, Application]]) -> None:
        signers = signers_of(settings)
        identity(settings, signers)
        self._settings, self._applications = settings, applications
        self._known = {name: case.application for name, case in read_cases(settings, signers).cases.items()}

    def planned(self) -> list[Applied]:
        """What filing them would do."""
        return [Applied(file, "application", a.id, self._action(a)) for file, a in self._applications]

    def file(self) -> list[Applied]:
        """Draft those that are new or changed. ConfigError for one that may not be drafted (those before it are)."""
        done = self.planned()
        for (_, application), applied in zip(self._applications, done, strict=True):
            if applied.action != "unchanged":
                act(self._settings, Drafted(application=application))
        return done

    def _action(self, application: Application) -> Action:
        known = self._known.get(application.id)
        if known is None:
            return "created"
        return "unchanged" if known == application else "changed"
