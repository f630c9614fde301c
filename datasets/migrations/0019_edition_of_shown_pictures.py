"""The catalogue's edition moves with the pictures of releases that are shown: what is rendered of one that is still being
made is on no public page, and would have all of them made anew for hours."""

from django.db import migrations

# The release is locked as a foreign key locks it: whoever publishes it is waited for, and then it is shown.
FUNCTION = """
CREATE FUNCTION datasets_move_edition_of_shown() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    found_status text;
BEGIN
    SELECT r.status INTO found_status FROM public.datasets_release r
    JOIN public.datasets_archive a ON a.release_id = r.id JOIN public.datasets_volume v ON v.archive_id = a.id
    WHERE v.id = CASE TG_OP WHEN 'DELETE' THEN OLD.volume_id ELSE NEW.volume_id END
    FOR KEY SHARE OF r;
    IF found_status IN ('published', 'withdrawn') THEN
        PERFORM public.datasets_next_edition();
    END IF;
    RETURN NULL;
END $$
"""
# What datasets_move_edition did by itself until now.
NEXT = """
CREATE OR REPLACE FUNCTION datasets_next_edition() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE public.datasets_catalogueedition SET number = number + 1 WHERE id = (
        SELECT id FROM public.datasets_catalogueedition ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO public.datasets_catalogueedition (number)
        VALUES ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    END IF;
END $$
"""
MOVE = """
CREATE OR REPLACE FUNCTION datasets_move_edition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.datasets_next_edition();
    RETURN NULL;
END $$
"""
EVENTS = {
    "move_edition_with_new_pictures": "AFTER INSERT ON datasets_preview FOR EACH ROW WHEN (NEW.folder <> '')",
    "move_edition_with_other_pictures": "AFTER UPDATE ON datasets_preview FOR EACH ROW"
    " WHEN (OLD.folder IS DISTINCT FROM NEW.folder)",
    "move_edition_without_pictures": "AFTER DELETE ON datasets_preview FOR EACH ROW WHEN (OLD.folder <> '')",
}
EMPTIED = """
CREATE TRIGGER move_edition_when_emptied AFTER TRUNCATE ON datasets_preview
FOR EACH STATEMENT EXECUTE FUNCTION datasets_move_edition()
"""


def followed_by(function: str) -> list[str]:
    """The triggers, with what they do."""
    return [
        f"DROP TRIGGER {name} ON datasets_preview; CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function}()"
        for name, when in EVENTS.items()
    ]


class Migration(migrations.Migration):

    dependencies = [("datasets", "0018_work_in_order")]

    operations = [
        # These two say the same as before, and stay.
        migrations.RunSQL(NEXT, migrations.RunSQL.noop),
        migrations.RunSQL(MOVE, migrations.RunSQL.noop),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION datasets_move_edition_of_shown()"),
        migrations.RunSQL(followed_by("datasets_move_edition_of_shown"), followed_by("datasets_move_edition")),
        migrations.RunSQL(EMPTIED, "DROP TRIGGER move_edition_when_emptied ON datasets_preview"),
    ]
