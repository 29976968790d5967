"""Options of the command line that a test of their own follows to the end."""

from typing import Final

ELSEWHERE: Final[dict[tuple[str, str], str]] = {
    ("", "--version"): "test_manners.py::test_the_version",
    ("*", "--json"): "test_manners.py::test_schemas_are_printed",
    ("*", "-q"): "test_manners.py::test_warnings_of_ours_are_notes_and_others_are_silent",
    ("*", "-v"): "test_manners.py::test_verbose_names_the_model",
    ("*", "--debug"): "test_bad_input.py::test_an_unexpected_error_is_one_line_with_a_hint",
    ("search", "--save"): "test_search.py::test_several_images_are_saved_under_their_names",
    ("search", "--strip"): "test_search.py::test_a_strip_of_pictures_is_written",
    (
        "search",
        "--allow-partial",
    ): "test_search.py::test_an_unreadable_image_among_good_ones_is_skipped_and_reported",
    ("audit", "--allow-partial"): "test_audit.py::test_f25_an_unreadable_image_is_skipped_and_reported",
    ("explain", "--out"): "test_explain.py::test_a_strip_shows_original_counterfactual_and_heat",
    ("demo", "--open"): "test_train.py::test_the_demo_gets_its_flags_and_prints_a_table",
    ("explore", "--open"): "test_looking.py::test_explore_writes_the_page_where_it_is_missing_and_opens_it",
    ("export", "--format"): "test_looking.py::test_export_writes_a_table",
    ("export", "--out"): "test_looking.py::test_export_writes_a_table",
    ("export", "--private"): "test_attestation.py::test_a_private_attestation_needs_its_key",
    ("verify", "--attestation"): "test_attestation.py::test_an_attestation_holds_of_its_run_and_model_alone",
    ("verify", "--key"): "test_attestation.py::test_a_private_attestation_needs_its_key",
    ("export", "--table"): "test_looking.py::test_export_of_instances",
    ("verify", "--at-least"): "test_looking.py::test_verify_fails_below_the_share_that_was_set",
    ("gate", "--cannot-tell"): "test_gate.py::test_f85_exit_codes_are_the_same_in_every_format",
    ("gate", "--format"): "test_gate.py::test_json_and_files",
    ("gate", "--list"): "test_gate.py::test_the_list_names_every_figure_and_each_can_be_judged",
    ("gate", "--out"): "test_gate.py::test_json_and_files",
    ("distill", "--text"): "test_texts_and_sounds.py::test_a_surrogate_of_a_model_of_recordings",
    ("distill", "--texts"): "test_texts_and_sounds.py::test_a_surrogate_of_a_model_of_recordings",
    ("diff", "--out"): "test_diff.py::test_text_json_and_page",
    ("diff", "--practical"): "test_diff.py::test_text_json_and_page",
    ("diff", "--practical-share"): "test_diff.py::test_text_json_and_page",
    ("schema", "--out"): "test_tables.py::test_a_written_schema_beside_the_table_is_used",
}
"""Options that a test of their own follows to the end, by the test."""
