"""What the database lets go of in requests' and grants' history and in download records; see the migration of the
same name in accounts.

Event tables' own triggers may let through what public.forgets_only(to_jsonb(OLD), to_jsonb(NEW), ARRAY[...]) says:
AccessRequestEvent: purpose, reason; AccessGrantEvent: reason. No other event table holds anything about a person.
"""

from django.db import migrations

DOWNLOADS = """
CREATE FUNCTION public.forget_downloads(person bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE changed bigint;
BEGIN
    PERFORM public.require_deletion(person);
    UPDATE public.datasets_downloadrecord r SET address = NULL, agent = '', country = ''
    FROM public.datasets_downloadlink l JOIN public.datasets_accessgrant g ON g.id = l.grant_id
    WHERE l.id = r.link_id AND g.user_id = person AND (r.address IS NOT NULL OR r.agent <> '' OR r.country <> '');
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM public.note_forgetting(person, 'forget_downloads', changed);
    RETURN changed;
END $$;
"""

HISTORY = """
CREATE FUNCTION public.forget_history(person bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE requests bigint; grants bigint; contexts bigint;
BEGIN
    PERFORM public.require_deletion(person);
    UPDATE public.datasets_accessrequestevent SET purpose = '', reason = ''
    WHERE user_id = person AND (purpose <> '' OR reason <> '');
    GET DIAGNOSTICS requests = ROW_COUNT;
    UPDATE public.datasets_accessgrantevent SET reason = '' WHERE user_id = person AND reason <> '';
    GET DIAGNOSTICS grants = ROW_COUNT;
    -- What they did as maintainers keeps their number, which leads to nobody any more.
    UPDATE public.pghistory_context SET metadata = jsonb_build_object('user', person)
    WHERE metadata ->> 'user' = person::text AND metadata - 'user' <> '{}'::jsonb;
    GET DIAGNOSTICS contexts = ROW_COUNT;
    PERFORM public.note_forgetting(person, 'forget_history', requests + grants + contexts);
    RETURN requests + grants;
END $$;
"""

ADDRESSES = """
CREATE FUNCTION public.blank_addresses(days integer, at_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE changed bigint;
BEGIN
    IF days IS NULL OR days < 30 THEN
        RAISE EXCEPTION 'network addresses are kept for 30 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE public.datasets_downloadrecord SET address = NULL WHERE id IN (
        SELECT id FROM public.datasets_downloadrecord
        WHERE address IS NOT NULL AND issued_at < now() - make_interval(days => days)
        ORDER BY issued_at LIMIT at_most);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
"""

# By the events' own times: a request that somebody dates back is not forgotten sooner.
PURPOSES = """
CREATE FUNCTION public.blank_purposes(days integer, at_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE changed bigint;
BEGIN
    IF days IS NULL OR days < 180 THEN
        RAISE EXCEPTION 'purposes are kept for 180 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE public.datasets_accessrequestevent SET purpose = '' WHERE pgh_id IN (
        SELECT e.pgh_id FROM public.datasets_accessrequestevent e
        WHERE e.purpose <> '' AND EXISTS (
            SELECT FROM public.datasets_accessrequestevent ended
            WHERE ended.pgh_obj_id = e.pgh_obj_id AND ended.status IN ('declined', 'withdrawn')
            AND ended.pgh_created_at < now() - make_interval(days => days))
        LIMIT at_most);
    GET DIAGNOSTICS changed = ROW_COUNT;
    RETURN changed;
END $$;
"""

CLOSED = """
REVOKE ALL ON FUNCTION public.forget_downloads(bigint), public.forget_history(bigint),
    public.blank_addresses(integer, integer), public.blank_purposes(integer, integer) FROM PUBLIC;
"""

UNDONE = """
DROP FUNCTION public.blank_purposes(integer, integer);
DROP FUNCTION public.blank_addresses(integer, integer);
DROP FUNCTION public.forget_history(bigint);
DROP FUNCTION public.forget_downloads(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_forgetting"), ("datasets", "0006_records_forget"), ("pghistory", "0007_auto_20250421_0444")]

    operations = [migrations.RunSQL(DOWNLOADS + HISTORY + ADDRESSES + PURPOSES + CLOSED, UNDONE)]
