"""What was published as an erratum stays, the catalogue's edition moves when one is, and curators may write them.

The trigger is none of pgtrigger's, which obey a session that asks them to be still.
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from datasets.services.maintainers import permit_errata

KEEP = """
CREATE FUNCTION public.datasets_keep_erratum() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'An erratum that was published is neither changed nor removed';
END $$;
CREATE TRIGGER erratum_kept BEFORE UPDATE OR DELETE ON public.datasets_erratum
    FOR EACH ROW WHEN (OLD.published_at IS NOT NULL) EXECUTE FUNCTION public.datasets_keep_erratum();
CREATE FUNCTION public.datasets_keep_erratum_archives() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    about bigint[] := CASE TG_OP WHEN 'INSERT' THEN ARRAY[NEW.erratum_id] WHEN 'DELETE' THEN ARRAY[OLD.erratum_id]
        ELSE ARRAY[OLD.erratum_id, NEW.erratum_id] END;
BEGIN
    IF EXISTS (SELECT FROM public.datasets_erratum WHERE id = ANY (about) AND published_at IS NOT NULL) THEN
        RAISE EXCEPTION 'An erratum that was published is neither changed nor removed';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER erratum_kept BEFORE INSERT OR UPDATE OR DELETE ON public.datasets_erratum_archives
    FOR EACH ROW EXECUTE FUNCTION public.datasets_keep_erratum_archives();
"""
LEAVE = """
DROP TRIGGER erratum_kept ON public.datasets_erratum_archives;
DROP FUNCTION public.datasets_keep_erratum_archives();
DROP TRIGGER erratum_kept ON public.datasets_erratum;
DROP FUNCTION public.datasets_keep_erratum();
"""
# Drafts are on no page that everybody sees; an erratum becomes one by an UPDATE, or is written as one.
MOVE = """
CREATE TRIGGER move_edition_with_erratum AFTER INSERT OR UPDATE ON datasets_erratum
FOR EACH ROW WHEN (NEW.published_at IS NOT NULL) EXECUTE FUNCTION datasets_move_edition()
"""


def permit(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permit_errata()


class Migration(migrations.Migration):
    dependencies = [("datasets", "0016_release_notices")]

    operations = [
        migrations.RunSQL(KEEP, LEAVE),
        migrations.RunSQL(MOVE, "DROP TRIGGER move_edition_with_erratum ON datasets_erratum"),
        migrations.RunPython(permit, migrations.RunPython.noop),
    ]
