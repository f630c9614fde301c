from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        # Every package's mail module registers what it renders; workers need them all.
        autodiscover_modules("mail")
