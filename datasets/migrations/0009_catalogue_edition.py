"""What PostgreSQL does by itself: which tables keep room for changes in place, and when the catalogue's edition moves."""

from django.db import migrations

# Uses of a day are changed a thousand times each; half a page is left for the newer versions of its rows.
ROOM = "ALTER TABLE datasets_dailyusage SET (fillfactor = 50)"
TABLES = (
    "datasets_dataset",
    "datasets_release",
    "datasets_archive",
    "accounts_agreement",
    "accounts_agreementversion",
)
# With each statement, in a row that no other transaction holds: no writer waits for another, so none can deadlock; who
# reads it sees the change exactly when the change itself, for it is of the same commit. A first row begins at the
# clock, so that a table that was emptied never comes back to an edition that it had. As the owner, for whoever writes
# to the catalogue need not be allowed to write here.
FUNCTION = """
CREATE FUNCTION datasets_move_edition() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE public.datasets_catalogueedition SET number = number + 1 WHERE id = (
        SELECT id FROM public.datasets_catalogueedition ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO public.datasets_catalogueedition (number)
        VALUES ((extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    END IF;
    RETURN NULL;
END $$
"""
TRIGGER = """
CREATE TRIGGER move_edition AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION datasets_move_edition()
"""


class Migration(migrations.Migration):

    dependencies = [
        ("datasets", "0008_daily_usage"),
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(ROOM, "ALTER TABLE datasets_dailyusage RESET (fillfactor)"),
        migrations.RunSQL(FUNCTION, "DROP FUNCTION datasets_move_edition()"),
        *(
            migrations.RunSQL(TRIGGER.format(table=table), f"DROP TRIGGER move_edition ON {table}")
            for table in TABLES
        ),
    ]
