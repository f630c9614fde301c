from django.apps import AppConfig
from django.core.checks import register
from django.utils.module_loading import autodiscover_modules

from accounts.checks import check_accounts


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        # Every package's mail module registers what it renders; workers need them all.
        autodiscover_modules("mail")
        register(check_accounts, "accounts")
