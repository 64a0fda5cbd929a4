"""The tables of other measurements are kept in RESULTS.md when the rest is rewritten."""

from benchmarks.__main__ import OTHERS, RESULTS, with_others
from benchmarks.growth_registry import Size
from benchmarks.growth_report import Figure, place, render, section_of

SMALL, LARGE = Size(2, 100, 300), Size(1000, 100, 300)
PAGE = "# Results\n\n## Housing\n\nfast\n"


def test_a_figure_is_compared_with_its_goal() -> None:
    assert Figure("promote", 10.0, 15.0, "ms").within_goal
    assert not Figure("promote", 10.0, 15.1, "ms").within_goal
    assert not Figure("start until every worker is ready", 2.0, 15.1, "s").within_goal
    assert Figure("history", 1.0, 99.0, "ms").within_goal, "it has no goal"


def test_the_section_names_both_registries_and_what_was_missed() -> None:
    section = render(SMALL, LARGE, [Figure("promote", 10.0, 25.0, "ms")])

    assert "| | 200 versions | 100,000 versions | ratio | goal |" in section
    assert "| promote | 10 ms | 25 ms | 2.50 | at most 1.5 times: missed |" in section


def test_the_section_replaces_the_previous_one_and_is_kept_in_a_new_page() -> None:
    old, new = (render(SMALL, LARGE, [Figure("promote", 10.0, x, "ms")]) for x in (11.0, 12.0))
    page = place(place(PAGE, old), new)

    assert page.startswith(PAGE)
    assert page.count("## Growth") == 1
    assert section_of(page) == new
    assert place("# Others\n", section_of(page)) == f"# Others\n\n{new}"
    assert place(PAGE, section_of(PAGE)) == PAGE
    assert place(f"{page}\n## More\n", old).endswith("\n## More\n")
    assert place(page, "## Housing\n\nfaster\n") == page.replace("fast", "faster")


def test_a_run_of_all_servers_keeps_what_other_measurements_wrote() -> None:
    before = RESULTS.read_text()

    page = with_others(PAGE, before)

    assert page.startswith(PAGE)
    for heading in OTHERS:
        assert section_of(page, heading).strip() == section_of(before, heading).strip() != ""
