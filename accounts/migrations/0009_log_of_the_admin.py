"""An index for a table of Django's own: what was added, changed or deleted in the admin, newest first."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0008_numbers"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX log_action ON django_admin_log (action_flag, id)", "DROP INDEX log_action"
        ),
    ]
