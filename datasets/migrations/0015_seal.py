"""What was published is never changed: PostgreSQL refuses it, whoever asks."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from datasets.services.maintainers import permit_ingests

# Withdrawing, and undoing it, change how a release stands and say why; nothing else of it. A column that is added one
# day is sealed from the beginning.
RELEASE = """
CREATE FUNCTION datasets_seal_release() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    moves text[] := ARRAY['status', 'reason', 'withdrawn_at'];
BEGIN
    IF OLD.status NOT IN ('published', 'withdrawn') THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status IN ('published', 'withdrawn')
        AND to_jsonb(OLD) - moves = to_jsonb(NEW) - moves THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A release that was published is never changed or removed: it is withdrawn.';
END $$
"""
# The release is locked as a foreign key locks it: whoever publishes it is waited for, and then it is published.
ARCHIVE = """
CREATE FUNCTION datasets_seal_archive() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found_status text;
BEGIN
    FOR found_status IN
        SELECT r.status FROM public.datasets_release r WHERE r.id IN (
            CASE WHEN TG_OP <> 'INSERT' THEN OLD.release_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.release_id END)
        ORDER BY r.id FOR KEY SHARE
    LOOP
        IF found_status IN ('published', 'withdrawn') THEN
            RAISE EXCEPTION 'The archives of a release that was published are never changed.';
        END IF;
    END LOOP;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
"""
VOLUME = """
CREATE FUNCTION datasets_seal_volume() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found_status text;
BEGIN
    FOR found_status IN
        SELECT r.status FROM public.datasets_release r JOIN public.datasets_archive a ON a.release_id = r.id
        WHERE a.id IN (
            CASE WHEN TG_OP <> 'INSERT' THEN OLD.archive_id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.archive_id END)
        ORDER BY r.id FOR KEY SHARE OF r
    LOOP
        IF found_status IN ('published', 'withdrawn') THEN
            RAISE EXCEPTION 'The volumes of a release that was published are never changed.';
        END IF;
    END LOOP;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$
"""
TRIGGER = """
CREATE TRIGGER sealed BEFORE {events} ON datasets_{table}
FOR EACH ROW EXECUTE FUNCTION datasets_seal_{table}()
"""
SEALS = (
    ("release", RELEASE, "UPDATE OR DELETE"),
    ("archive", ARCHIVE, "INSERT OR UPDATE OR DELETE"),
    ("volume", VOLUME, "INSERT OR UPDATE OR DELETE"),
)


def permit(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    permit_ingests()


class Migration(migrations.Migration):

    dependencies = [("datasets", "0014_ingest")]

    operations = [
        *(
            migrations.RunSQL(function, f"DROP FUNCTION datasets_seal_{table}()")
            for table, function, _events in SEALS
        ),
        *(
            migrations.RunSQL(
                TRIGGER.format(events=events, table=table), f"DROP TRIGGER sealed ON datasets_{table}"
            )
            for table, _function, events in SEALS
        ),
        migrations.RunPython(permit, migrations.RunPython.noop),
    ]
