"""The whole local system, with a bare route beside Purser's own, and signed-in users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.artefacts import BASELINES, BUILD
from bench.world import NO_LIMIT, OPEN_LANE
from local.client import Running
from local.doubles.binance.client import PaperControl
from tests.support import local_system
from tests.support.local_system import PASSWORD, subject_of
from tests.support.samples import Catalog, Request
from tests.support.senders import HttpSender, HttpSubject

BARE = Request("GET", "/v1/bare")


@dataclass(frozen=True)
class Gateway:
    """A running system."""

    running: Running
    catalog: Catalog

    def new_subject(self) -> HttpSubject:
        """Create a user, who has a connection of their own."""
        email = local_system.new_user(self.running, PASSWORD)
        token = self.running.token(email)
        sender = HttpSender(self.running.stack["url"], {"user": token, "admin": self.running.token("admin")})
        paper = PaperControl(self.running.stack["paperUrl"])
        return HttpSubject(sender, subject_of(token), email, PASSWORD, paper, self.catalog)


@contextmanager
def gateway(scratch: Path) -> Iterator[Gateway]:
    """Start the system with an empty state, and stop it at the end."""
    # In the folder of the build, to whose layers it leads.
    template = BUILD / f"with-bare-route-{scratch.name}.yaml"
    template.write_text(yaml.safe_dump(_with_bare_route(yaml.safe_load((BUILD / "template.yaml").read_text()))))
    system = local_system.start(scratch / "system", "--template", template)
    try:
        PaperControl(system.running.stack["paperUrl"]).limits(spot=NO_LIMIT, futures=NO_LIMIT)
        yield Gateway(system.running, Catalog())
    finally:
        system.stop()
        template.unlink()


def _with_bare_route(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template with one more route for signed-in users, and without limits of rate and weight."""
    resources = template["Resources"]
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Api":
            resource["Properties"].pop("MethodSettings", None)
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        if "EGRESS_LANES" in variables:
            variables["EGRESS_LANES"] = OPEN_LANE
    route = {"RestApiId": {"Ref": "CustomerApi"}, "Path": BARE.path, "Method": BARE.method}
    resources["BareRoute"] = {
        "Type": "AWS::Serverless::Function",
        "Metadata": {"SkipBuild": True},
        "Properties": {
            "CodeUri": str(BASELINES / "bare_route"),
            "Events": {"Bare": {"Type": "Api", "Properties": route}},
        },
    }
    return template
