"""pghistory's contexts (who made a change) become evidence as well.

pghistory's own _pgh_attach_context() changes the row of a context that is entered again with more words, for which the
application's role would need UPDATE. Here a row, once written, stays: other words make another row, whose id follows
from the first one's and from the words. So INSERT suffices, and the function runs with the rights of its caller.
"""

from django.db import migrations

ATTACH = """
CREATE OR REPLACE FUNCTION _pgh_attach_context() RETURNS uuid LANGUAGE plpgsql AS $$
    DECLARE
        context_id uuid := nullif(current_setting('pghistory.context_id', true), '');
        words jsonb := nullif(current_setting('pghistory.context_metadata', true), '');
    BEGIN
        IF context_id IS NULL OR words IS NULL THEN
            RETURN NULL;
        END IF;
        INSERT INTO pghistory_context (id, metadata, created_at, updated_at)
            VALUES (context_id, words, now(), now()) ON CONFLICT (id) DO NOTHING;
        IF NOT FOUND AND EXISTS (SELECT FROM pghistory_context WHERE id = context_id AND metadata <> words) THEN
            context_id := md5(context_id::text || words::text)::uuid;
            INSERT INTO pghistory_context (id, metadata, created_at, updated_at)
                VALUES (context_id, words, now(), now()) ON CONFLICT (id) DO NOTHING;
        END IF;
        RETURN context_id;
    END
$$;
"""
KEEP = """
CREATE FUNCTION refuse_change_of_context() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            RAISE EXCEPTION 'The table % is append-only: it is never emptied.', TG_TABLE_NAME;
        END IF;
        -- Of a person who is forgotten, the number alone stays.
        IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - 'metadata' = to_jsonb(NEW) - 'metadata'
            AND NEW.metadata = jsonb_build_object('user', OLD.metadata -> 'user') THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'The rows of % are append-only: none is changed or removed.', TG_TABLE_NAME;
    END
$$;
CREATE TRIGGER never_changed BEFORE UPDATE OR DELETE ON pghistory_context
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_context();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON pghistory_context
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_context();
"""
LEAVE = """
DROP TRIGGER never_changed ON pghistory_context;
DROP TRIGGER never_emptied ON pghistory_context;
DROP FUNCTION refuse_change_of_context();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_evidence_triggers"),
        # Makes the function that is replaced here.
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        # Backwards this one stays: it does all that pghistory's does.
        migrations.RunSQL(ATTACH, migrations.RunSQL.noop),
        migrations.RunSQL(KEEP, LEAVE),
    ]
