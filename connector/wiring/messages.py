"""Messages to customers in the words of the deciding half."""

from __future__ import annotations

from connector.config import Config, Loaded
from connector.sync import message_settings as settings


def policy(config: Config) -> settings.MessagePolicy:
    """Whom messages may reach, and when."""
    return settings.MessagePolicy(needs_consent=config.privacy.messages_need == "consent", night=config.messages.night)


def follow_ups(loaded: Loaded) -> dict[str, settings.FollowUp]:
    """The surveys that follow recoveries, by playbook."""
    return {
        name: settings.FollowUp(
            connection=wanted.connection,
            survey=loaded.templates[wanted.survey],
            subject=loaded.templates[wanted.subject],
            text=loaded.templates[wanted.text],
            after=wanted.after,
            within=wanted.within,
        )
        for name, book in loaded.config.playbooks.items()
        if (wanted := book.follow_up) is not None
    }
