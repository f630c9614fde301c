from django.apps import AppConfig
from django.core.checks import register

from datasets.checks import check_datasets


class DatasetsConfig(AppConfig):
    name = "datasets"

    def ready(self) -> None:
        register(check_datasets, "datasets", deploy=True)
