"""What docs/operating.md says the site costs: lines multiplied, sums added up, and sizes as in the parameters."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest

from portal.deployment.reading import read_yaml
from tests.deploy.manual import TEXT, bills
from tests.deploy.templates import ROOT, SIZES, TEMPLATES, Given, resources

CENT = Decimal("0.01")
# Of each environment.
ALARMS = read_yaml((ROOT / "ebextensions" / "alarms.config").read_text())["Resources"]
SMALL, DATA, GROWN, FROM_S3, FROM_CLOUDFRONT = range(5)
PEOPLE_GIGABYTES = 200_000


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "").strip("*"))


def sum_of(bill: int) -> Decimal:
    return number(bills()[bill][-1][-1])


@pytest.mark.parametrize("bill", range(5))
def test_each_line_is_its_product_and_the_last_their_sum(bill: int) -> None:
    *lines, last = bills()[bill]
    for _what, count, _unit, price, cost in lines:
        assert (number(count) * number(price)).quantize(CENT, ROUND_HALF_UP) == number(cost)
    assert last[0] == "**Sum**"
    assert sum(number(line[-1]) for line in lines) == number(last[-1])


def test_there_are_no_other_bills() -> None:
    assert len(bills()) == 5


@pytest.mark.parametrize("bill", [FROM_S3, FROM_CLOUDFRONT])
def test_all_that_people_fetch_is_paid_for(bill: int) -> None:
    assert sum(number(line[1]) for line in bills()[bill][:-1]) == PEOPLE_GIGABYTES


def test_sums_in_the_text_are_those_of_the_tables() -> None:
    assert f"a small site is {sum_of(SMALL) + sum_of(DATA):,.2f} with 6 TB" in TEXT
    a_terabyte = [1_000 * number(bills()[bill][1][3]) for bill in (FROM_S3, FROM_CLOUDFRONT)]
    assert f"1 TB is {a_terabyte[0]:.2f} from S3, {a_terabyte[1]:.2f} through CloudFront" in TEXT
    assert f"({6_000 * Decimal('0.0125'):.2f} for all of them)" in TEXT


@pytest.mark.parametrize(("bill", "size"), [(SMALL, "small"), (GROWN, "grown")])
def test_what_is_paid_for_is_what_the_parameters_order(bill: int, size: str) -> None:
    said, ordered = "\n".join(" ".join(line) for line in bills()[bill]), SIZES[size]
    names = ("WebInstanceType", "WorkerInstanceType", "DatabaseInstanceClass", "CacheNodeType")
    for name in names:
        assert ordered[name] in said
    hours = {line[0]: number(line[1]) / 730 for line in bills()[bill][:-1]}
    for name, count in (
        ("WebInstanceType", ordered["WebInstancesMin"]),
        ("WorkerInstanceType", ordered["WorkerInstances"]),
        ("CacheNodeType", ordered["CacheNodes"]),
        ("DatabaseInstanceClass", "2" if ordered["DatabaseInTwoZones"] == "yes" else "1"),
    ):
        assert [hours[what] for what in hours if ordered[name] in what] == [int(count)]


def test_secrets_and_alarms_are_counted() -> None:
    given = Given(TEMPLATES["data"])
    secrets = [
        name
        for name, told in resources("AWS::SecretsManager::Secret")
        if "Condition" not in told or given.holds(told["Condition"])
    ]
    alarms = list(resources("AWS::CloudWatch::Alarm"))
    lines = {line[0]: line for line in bills()[SMALL]}
    # One more is RDS's own.
    assert number(lines["Secrets"][1]) == len(secrets) + 1
    # Two more are Elastic Beanstalk's own, by which it adds and takes away instances.
    each = len(ALARMS) + 2
    line = lines[f"Alarms: {len(alarms)}, and {each} in each environment, two of them its own"]
    assert number(line[1]) == len(alarms) + 2 * each


def test_every_alarm_of_the_site_is_explained() -> None:
    made = [alarm["Properties"]["AlarmName"]["Fn::Sub"] for _name, alarm in resources("AWS::CloudWatch::Alarm")]
    for short in [*(name.removeprefix("portal-${Environment}-") for name in made), *ALARMS]:
        assert re.search(rf"^\|[^|]*\b{short}\b", TEXT, re.MULTILINE), short


def test_budgets_leave_room_for_what_is_ordered() -> None:
    assert int(SIZES["small"]["MonthlyBudgetDollars"]) > sum_of(SMALL) + sum_of(DATA)
    assert int(SIZES["grown"]["MonthlyBudgetDollars"]) > sum_of(GROWN) + sum_of(DATA)
