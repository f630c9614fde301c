"""What the database lets go of, and when: functions that do one thing each for the application, whose role may not
change evidence.

Each runs with its owner's rights, so it names every table with its schema and looks for nothing in a schema in which
others may create. `forget_...` refuses for whoever's deletion is not running, and writes down whom it forgot, when,
and how many rows (accounts.models.Forgetting, whose table a later migration makes).
"""

from django.db import migrations

# What row triggers ask: is anything changed but these columns, and are these emptied rather than rewritten?
ALLOWED = """
CREATE FUNCTION public.forgets_only(was jsonb, becomes jsonb, emptied text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT was <> becomes AND was - emptied = becomes - emptied AND NOT EXISTS (
        SELECT FROM unnest(emptied) AS name
        WHERE becomes -> name IS DISTINCT FROM was -> name AND becomes -> name NOT IN ('""'::jsonb, 'null'::jsonb))
$$;

CREATE FUNCTION public.deletion_runs(person bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM public.accounts_deletion d JOIN public.accounts_user u ON u.id = d.user_id
        WHERE d.user_id = person AND d.state = 'running' AND NOT u.is_active)
$$;
"""

REQUIRE = """
CREATE FUNCTION public.require_deletion(person bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT public.deletion_runs(person) THEN
        RAISE EXCEPTION 'no deletion of person % is running', person USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;
"""

# With the rights of its caller: the functions here may write that table, the application's role may not.
NOTE = """
CREATE FUNCTION public.note_forgetting(person bigint, called text, changed bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF changed > 0 THEN
        INSERT INTO public.accounts_forgetting (person, function, rows, at)
        VALUES (person, called, changed, clock_timestamp());
    END IF;
END $$;
"""

SIGNATURES = """
CREATE FUNCTION public.forget_signatures(person bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE changed bigint;
BEGIN
    PERFORM public.require_deletion(person);
    UPDATE public.accounts_signature
    SET typed_name = '', email = '', address = NULL, agent = '', salt = ''
    WHERE user_id = person AND (typed_name, email, agent, salt) IS DISTINCT FROM ('', '', '', '');
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM public.note_forgetting(person, 'forget_signatures', changed);
    RETURN changed;
END $$;
"""

# The documents of receipts, and receipts that are still to be made.
RECEIPTS = """
CREATE FUNCTION public.forget_receipts(person bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE changed bigint;
BEGIN
    PERFORM public.require_deletion(person);
    UPDATE public.accounts_receipt r
    SET state = 'done', reason = 'Not made: the account was deleted.', leased_until = NULL,
        finished_at = clock_timestamp()
    FROM public.accounts_signature s
    WHERE s.id = r.signature_id AND s.user_id = person AND r.state <> 'done';
    UPDATE public.accounts_receiptdocument d SET content = NULL
    FROM public.accounts_receipt r JOIN public.accounts_signature s ON s.id = r.signature_id
    WHERE r.id = d.receipt_id AND s.user_id = person AND d.content IS NOT NULL;
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM public.note_forgetting(person, 'forget_receipts', changed);
    RETURN changed;
END $$;
"""

# Functions are everybody's to call unless that is taken away. The application's role is given what it needs by name.
CLOSED = """
REVOKE ALL ON FUNCTION public.require_deletion(bigint), public.note_forgetting(bigint, text, bigint),
    public.forget_signatures(bigint), public.forget_receipts(bigint) FROM PUBLIC;
"""

UNDONE = """
DROP FUNCTION public.forget_receipts(bigint);
DROP FUNCTION public.forget_signatures(bigint);
DROP FUNCTION public.note_forgetting(bigint, text, bigint);
DROP FUNCTION public.require_deletion(bigint);
DROP FUNCTION public.deletion_runs(bigint);
DROP FUNCTION public.forgets_only(jsonb, jsonb, text[]);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_deletion")]

    operations = [migrations.RunSQL(ALLOWED + REQUIRE + NOTE + SIGNATURES + RECEIPTS + CLOSED, UNDONE)]
