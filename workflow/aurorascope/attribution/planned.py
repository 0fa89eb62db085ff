"""What the configuration tells of an outcome before anything is made. Nothing heavy is imported here."""

from aurorascope.attribution.outcome_file import naming
from aurorascope.config.model import Config
from aurorascope.studies.planned import check_label, check_linear
from aurorascope.studies.written import AskedFile


def check_planned(file: AskedFile, config: Config) -> None:
    """Refuse what the configuration says that there will not be; forms are for `target.read_target`.

    Args:
        file: of the outcome, of which `needs.needs_of` was content.
        config: the configuration.

    Raises:
        UserError: an unknown label, or a variable or level that Aurora does not forecast.
    """
    with naming(file.path):
        check_label("the outcome, region", file.asked.get("region"), config)
        check_linear("the outcome", file.asked, config)
