"""All simulators at once, and the environment that points the example configuration at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from connector.clock import Clock
from connector.simulator import github, hubspot, jira, salesforce, slack, typeform, workflow, zendesk
from connector.simulator.demo_desk import ZENDESK, DemoDesk, DemoZendesk, other_desk

INHOUSE_SECRET = "sim-inhouse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulators:
    """Running simulators; leaving the `with` block stops them.

    `crm` is the one in use, salesforce or hubspot; `other_desk` is in use instead of Zendesk.
    """

    salesforce: salesforce.Salesforce
    hubspot: hubspot.HubSpot
    zendesk: zendesk.Zendesk
    slack: slack.Slack
    typeform: typeform.Typeform
    workflow: workflow.Workflow
    github: github.GitHub
    jira: jira.Jira
    crm: str = "salesforce"
    other_desk: DemoDesk | None = None

    @property
    def desk(self) -> DemoDesk:
        """The helpdesk in use."""
        return self.other_desk or DemoZendesk(self.zendesk)

    def environment(self) -> dict[str, str]:
        """Environment variables for `config.example.yaml`: public credentials and loopback addresses.

        Addresses name connections of the configuration, so there are none of a CRM or helpdesk that is not in use.
        """
        crms = {
            "salesforce": {"CONNECTOR__CONNECTIONS__SALESFORCE__BASE_URL": self.salesforce.site.base_url},
            "hubspot": {
                "CONNECTOR__CONNECTIONS__HUBSPOT__BASE_URL": self.hubspot.site.base_url,
                "CONNECTOR__CONNECTIONS__HUBSPOT__APP_URL": self.hubspot.site.base_url,
            },
        }
        zendesk_url = {"CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL": self.zendesk.site.base_url}
        return {
            **crms[self.crm],
            **(zendesk_url if self.other_desk is None else self.other_desk.environment()),
            "TYPEFORM_SECRET": typeform.SECRET,
            "TYPEFORM_TOKEN": typeform.TOKEN,
            "INHOUSE_SECRET": INHOUSE_SECRET,
            "SALESFORCE_CLIENT_ID": salesforce.CLIENT_ID,
            "SALESFORCE_CLIENT_SECRET": salesforce.CLIENT_SECRET,
            "HUBSPOT_TOKEN": hubspot.SERVICE_KEY,
            "ZENDESK_CLIENT_ID": zendesk.CLIENT_ID,
            "ZENDESK_CLIENT_SECRET": zendesk.CLIENT_SECRET,
            "ZENDESK_WEBHOOK_SECRET": zendesk.HOOK_SECRET,
            "SLACK_TOKEN": slack.TOKEN,
            "ZAPIER_URL": self.workflow.url,
            "ZAPIER_SECRET": workflow.SECRET,
            "GITHUB_TOKEN": github.TOKEN,
            "JIRA_TOKEN": jira.TOKEN,
            "CONNECTOR__CONNECTIONS__TYPEFORM__BASE_URL": self.typeform.site.base_url,
            "CONNECTOR__CONNECTIONS__SLACK__BASE_URL": self.slack.site.base_url,
        }

    def stop(self) -> None:
        """Stop all of them."""
        for simulator in (self.salesforce, self.hubspot, self.zendesk, self.slack, self.typeform.site, self.workflow):
            simulator.stop()
        self.github.stop()
        self.jira.stop()
        if self.other_desk is not None:
            self.other_desk.site.stop()

    def __enter__(self) -> Simulators:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_all(
    clock: Clock,
    ports: int | Mapping[str, int] = 0,
    *,
    bare: bool = False,
    crm: str = "salesforce",
    helpdesk: str = ZENDESK,
) -> Simulators:
    """Start every simulator on loopback.

    Args:
        clock: the one clock they all follow.
        ports: 0 for any free ports, a number for that one and the following, or one per simulator's name.
        bare: accounts as they are before anything of ours was set up in them.
        crm: which CRM is in use, salesforce or hubspot; the other one runs, too, and nothing leads to it.
        helpdesk: which helpdesk is in use: zendesk, or one that an installed package brings.

    Raises ConnectorError when nobody brings that helpdesk.
    """
    running = Simulators(
        crm=crm,
        other_desk=other_desk(helpdesk, clock),
        salesforce=salesforce.Salesforce(clock, bare=bare),
        hubspot=hubspot.HubSpot(clock, bare=bare),
        zendesk=zendesk.Zendesk(clock, bare=bare),
        slack=slack.Slack(clock),
        typeform=typeform.Typeform(clock),
        workflow=workflow.Workflow(clock),
        github=github.GitHub(clock),
        jira=jira.Jira(clock),
    )
    sites = {
        "salesforce": running.salesforce.site,
        "zendesk": running.zendesk.site,
        "slack": running.slack.site,
        "typeform": running.typeform.site,
        "hubspot": running.hubspot.site,
        "workflow": running.workflow.site,
        "github": running.github.site,
        "jira": running.jira.site,
    }
    if running.other_desk is not None:
        sites[helpdesk] = running.other_desk.site
    for index, (name, site) in enumerate(sites.items()):
        if isinstance(ports, Mapping):
            site.start(ports.get(name, 0))
        else:
            site.start(ports + index if ports else 0)
    return running
