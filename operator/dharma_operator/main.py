"""`dharma-operator`: read the settings, run one replica, end with an exit code."""

import asyncio
import gc
import logging
import sys
from argparse import ArgumentParser, HelpFormatter
from collections.abc import Iterable

import kopf
from pydantic import ValidationError
from pydantic_settings import CliApp, CliSettingsSource, SettingsError

from dharma_operator.blueprint.controller import BlueprintController
from dharma_operator.controllers import Controller, KindInfo
from dharma_operator.deployment.controller import DeploymentController
from dharma_operator.kube.resources import BACKUP
from dharma_operator.logs import configure
from dharma_operator.placeholder import Placeholder
from dharma_operator.process import Operator
from dharma_operator.settings import Settings
from dharma_operator.store import OWNER_LABELS
from dharma_operator.tenant.controller import TenantController

_logger = logging.getLogger(__name__)

_USAGE_ERROR = 2
_FAILURE = 1
_COLLECT = (20_000, 50, 20)
"""New objects before a collection, and how many of those before a larger one. The collector would mostly look at a store of thousands of
objects, none of them garbage: a tenth of the time that a start takes."""


def make_controllers(settings: Settings) -> Iterable[Controller]:
    """Make the controllers of all kinds."""
    del settings
    yield TenantController()
    yield BlueprintController()
    yield DeploymentController()
    yield Placeholder(KindInfo(BACKUP, OWNER_LABELS[BACKUP]))


def read_settings(arguments: list[str]) -> Settings:
    """Read flags and `DHARMA_*` variables. Exits with the mistakes, one a line, or after printing the help."""
    try:
        flags = CliSettingsSource[ArgumentParser](Settings, formatter_class=HelpFormatter)
        return CliApp.run(Settings, cli_args=arguments, cli_settings_source=flags)
    except ValidationError as error:
        for mistake in error.errors():
            name = "_".join(str(part) for part in mistake["loc"]).upper()
            sys.stderr.write(f"dharma-operator: DHARMA_{name}: {mistake['msg']}, not {mistake['input']!r}\n")
    except SettingsError as error:
        sys.stderr.write(f"dharma-operator: {error}\n")
    raise SystemExit(_USAGE_ERROR)


def main(arguments: list[str] | None = None) -> None:
    """Run one replica of the operator until a signal asks it to stop."""
    settings = read_settings(sys.argv[1:] if arguments is None else arguments)
    configure(settings.log_level)
    gc.freeze()  # what was imported stays: the collector need not look at it again
    gc.set_threshold(*_COLLECT)
    try:
        asyncio.run(Operator(settings, make_controllers).serve())
    except kopf.LoginError as error:
        _logger.error("the operator cannot log in at the Kubernetes API: %s", error)  # noqa: TRY400 (a sentence, no stack)
        raise SystemExit(_FAILURE) from None
    except OSError as error:
        _logger.error("the operator cannot serve: %s", error)  # noqa: TRY400 (a sentence, no stack)
        raise SystemExit(_FAILURE) from None
    except Exception:
        _logger.exception("the operator ended by an error")
        raise SystemExit(_FAILURE) from None
