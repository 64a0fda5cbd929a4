"""Writes the tables of the examples. All of their values are drawn from seeded generators.

    python examples/make_data.py [FOLDER]

FOLDER is the folder of the examples, by default the one of this file. The same bytes are written
each time.
"""

import csv
import sys
from collections.abc import Iterator
from math import exp
from pathlib import Path
from random import Random

Cell = str | int | float
Row = dict[str, Cell]
MISSING = ""

COASTS = {
    "INLAND": (0.40, 0),
    "<1H OCEAN": (0.35, 45_000),
    "NEAR OCEAN": (0.15, 60_000),
    "NEAR BAY": (0.10, 75_000),
}
"""The share of the districts, and what the place adds to the value of a house."""
TICKETS = {"first": (0.25, 84.0, 1.1), "second": (0.21, 21.0, 0.2), "third": (0.54, 13.0, -0.8)}
"""The share of the passengers, the usual fare, and what the class adds to the log-odds."""


def districts(draw: Random) -> Iterator[Row]:
    """400 districts with the columns of the California housing table."""
    for _ in range(400):
        coast = draw.choices(list(COASTS), [share for share, _ in COASTS.values()])[0]
        age = draw.randint(1, 52)
        rooms = round(draw.lognormvariate(7.6, 0.6))
        bedrooms = round(rooms * draw.uniform(0.17, 0.26))
        households = max(1, round(bedrooms * draw.uniform(0.85, 1.0)))
        income = round(min(15.0, draw.lognormvariate(1.25, 0.45)), 4)
        value = 20_000 + 38_000 * income + COASTS[coast][1] + 500 * age + draw.gauss(0, 38_000)
        yield {
            "longitude": round(draw.uniform(-124.2, -114.4), 2),
            "latitude": round(draw.uniform(32.6, 41.9), 2),
            "housing_median_age": age,
            "total_rooms": rooms,
            "total_bedrooms": MISSING if draw.random() < 0.05 else bedrooms,
            "population": round(households * draw.uniform(2.2, 3.6)),
            "households": households,
            "median_income": income,
            "median_house_value": max(15_000, round(value, -2)),
            "ocean_proximity": coast,
        }


def passengers(draw: Random) -> Iterator[Row]:
    """600 passengers of a ship; of some the age is missing."""
    for number in range(1, 601):
        ticket = draw.choices(list(TICKETS), [share for share, _, _ in TICKETS.values()])[0]
        _, fare, odds = TICKETS[ticket]
        sex = draw.choices(["female", "male"], [0.36, 0.64])[0]
        age = draw.randint(1, 14) if draw.random() < 0.1 else round(draw.triangular(15, 78, 26))
        relatives = draw.choices(range(6), [0.6, 0.2, 0.1, 0.05, 0.03, 0.02])[0]
        odds += 1.5 if sex == "female" else -1.1
        odds += 1.6 if age <= 12 else -1.0 if age > 60 else 0.0
        odds -= 0.25 * relatives
        yield {
            "passenger_id": f"P{number:04}",
            "class": ticket,
            "sex": sex,
            "age": MISSING if draw.random() < 0.15 else age,
            "relatives": relatives,
            "fare": round(fare * draw.lognormvariate(0, 0.4) * (1 + 0.4 * relatives), 2),
            "survived": "yes" if draw.random() < 1 / (1 + exp(-odds)) else "no",
        }


def products(draw: Random) -> Iterator[Row]:
    """80 products: an interest rate in percent a year, and the units sold in three months."""
    for _ in range(80):
        rate = 0.0 if draw.random() < 0.15 else round(draw.uniform(2, 12), 2)
        usual = draw.uniform(1_500, 6_000)
        first, second, third = (usual * draw.gauss(1, 0.08) for _ in range(3))
        yield {
            "rate": rate or MISSING,
            "sales_first_month": MISSING if draw.random() < 0.08 else round(first),
            "sales_second_month": MISSING if draw.random() < 0.08 else round(second),
            "sales_third_month": round(third - 40 * rate),
        }


TABLES = {
    "house-prices/houses.csv": districts,
    "passengers/passengers.csv": passengers,
    "monthly-sales/sales.csv": products,
}


def write_tables(folder: Path) -> None:
    """Write each table below ``folder``."""
    for name, rows_of in TABLES.items():
        # The same values each time are the purpose.
        rows = list(rows_of(Random(name)))  # noqa: S311
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    write_tables(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
