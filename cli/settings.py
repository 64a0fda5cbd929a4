"""The settings of the environment, for commands."""

from cli.exits import WRONG_USAGE, CommandFailed
from config import SettingInvalid, Settings


def configured_settings() -> Settings:
    """The settings of the environment. Raises CommandFailed for an invalid one."""
    try:
        return Settings.from_environment()
    except SettingInvalid as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error
