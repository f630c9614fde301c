"""Counts in sentences."""


def counted(people: int) -> str:
    return f"{people:,} {'person' if people == 1 else 'people'}"
