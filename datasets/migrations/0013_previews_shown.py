"""Previews that are shown: the catalogue's edition moves when a volume's pictures do, and groups may see their rows."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from datasets.services.maintainers import permit_previews

# Not with each renewal of a lease, which would make public pages anew all the while that something is rendered.
NEW = """
CREATE TRIGGER move_edition_with_new_pictures AFTER INSERT ON datasets_preview
FOR EACH ROW WHEN (NEW.folder <> '') EXECUTE FUNCTION datasets_move_edition()
"""
OTHERS = """
CREATE TRIGGER move_edition_with_other_pictures AFTER UPDATE ON datasets_preview
FOR EACH ROW WHEN (OLD.folder IS DISTINCT FROM NEW.folder) EXECUTE FUNCTION datasets_move_edition()
"""
NONE = """
CREATE TRIGGER move_edition_without_pictures AFTER DELETE OR TRUNCATE ON datasets_preview
FOR EACH STATEMENT EXECUTE FUNCTION datasets_move_edition()
"""


def permit(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permit_previews()


class Migration(migrations.Migration):

    dependencies = [("datasets", "0012_preview")]

    operations = [
        *(
            migrations.RunSQL(trigger, f"DROP TRIGGER {trigger.split()[2]} ON datasets_preview")
            for trigger in (NEW, OTHERS, NONE)
        ),
        migrations.RunPython(permit, migrations.RunPython.noop),
    ]
