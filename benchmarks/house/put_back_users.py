"""Faults that somebody met who tried the package as a new user."""

from typing import Final

from put_back_cases import Case

_SCREEN: Final = "tests/cli/test_front_display.py::"
_HELP: Final = "tests/cli/test_help.py::test_every_command_has_examples_and_every_option_a_help"
_COMPLETION: Final = "tests/cli/test_completion.py::"
_STARTS: Final = "tests/cli/test_failed_starts.py::"

_WITH_EXAMPLES: Final = ("doctor", "plan", "demo", "show", "export", "verify", "init")
_BENCH: Final = (
    'examples=("cfsearch bench solvers face.png --model model.onnx --solvers nsga2,smpso --seeds 3",)'
)
_REPORT: Final = 'examples=("cfsearch report runs/one",)'

USERS: Final = (
    Case(
        "`RunDirectory.read` takes a text", "cfsearch/runs/directory.py",
        "        path = Path(path)\n        if not is_file(path / STORE):", "        if not is_file(path / STORE):",
        ("tests/test_exports.py::test_a_run_is_begun_and_read_by_a_text_as_by_a_path",),
    ),
    Case(
        "what reads a file takes a text", "cfsearch/datasets/images/_find.py",
        "    path = Path(path)\n    mode, others = _mode(path), list[str]()", "    mode, others = _mode(path), list[str]()", ("tests/test_exports.py::test_what_reads_a_file_takes_its_path_as_a_text",),
    ),
    Case(
        "a typo in `--immutable` leaves no directory", "cfsearch/assembly/fitted.py",
        "    _check_variables(generator, immutable, device=device)\n", "",
        (f"{_STARTS}test_the_corrected_command_works_in_the_same_directory",),
    ),
    Case(
        "a start that fails only in the search leaves no directory", "cfsearch/runs/directory.py",
        "        if not self._new or self.done():", "        if True:",
        (f"{_STARTS}test_a_failure_that_only_the_search_finds_leaves_no_directory",),
    ),
    Case(
        'a typo in `--immutable` is answered with "did you mean"', "cfsearch/registry.py",
        """    hint = f" Did you mean {near[0]!r}?" if near else ""\n    shown""", """    hint = ""\n    shown""",
        (f"{_STARTS}test_the_corrected_command_works_in_the_same_directory",),
    ),
    Case(
        "`--model A --model B`: neither is dropped", "cfsearch/cli/_options.py",
        "    return list(value) if len(value) > 1 else value[0] if value else None\n\n\n_MODEL_HELP",
        "    return value[-1] if value else None\n\n\n_MODEL_HELP",
        ("tests/cli/test_audit.py::test_two_models_side_by_side",),
    ),
    Case(
        "`--model A --model B` where one is meant: refused, B is not kept silently", "cfsearch/cli/_options.py",
        '    if len(value) > 1:\n        raise click.BadParameter(\n            f"takes one model here',
        '    if False:\n        raise click.BadParameter(\n            f"takes one model here',
        ("tests/cli/test_options.py::TestTheArgument::test_one_model_where_one_is_meant",),
    ),
    Case(
        "two models in a configuration are two models", "cfsearch/config/file.py",
        'return {**value, "model": model[0], "further_models": tuple(model[1:])}',
        'return {**value, "model": model[-1], "further_models": ()}',
        ("tests/config/test_config.py::test_several_models_share_their_settings_or_have_their_own",),
    ),
    Case(
        "two models stand side by side on the page", "cfsearch/report/charts.py",
        "            rows=tuple(_effect_row(v, found.get((model, v)), scale) for v in variables),\n        )\n        for model, name in models.items()",
        "            rows=tuple(_effect_row(v, found.get((model, v)), scale) for v in variables),\n        )\n        for model, name in list(models.items())[-1:]",
        ("tests/report/test_page.py::test_two_models_stand_side_by_side",),
    ),
    Case(
        "`mean` and `std` of a sidecar are documented", "docs/models.md",
        "| `mean`, `std` |", "| offset, divisor |",
        ("tests/providers/test_sidecar_schema.py::test_the_page_explains_every_key",),
    ),
    Case(
        "that a range was assumed is noted: ONNX", "cfsearch/providers/onnx/provider.py",
        "(detected, signature.note, stepped, assumed)", "(detected, signature.note, stepped)",
        ("tests/providers/onnx/test_provider.py::test_a_range_that_nobody_declared_is_reported_as_assumed",),
    ),
    Case(
        "that a range was assumed is noted: torch", "cfsearch/providers/torch_module.py",
        "            assumed=assumed_range(declared.input, preprocessing, where=where),\n", "",
        ("tests/providers/test_torch_module.py::test_a_range_that_nobody_declared_is_reported_as_assumed",),
    ),
    Case(
        "`doctor` says what was assumed", "cfsearch/cli/doctor.py",
        '"warnings": [text for text in (provider.note, *seen.warnings) if text],\n        "ok": not seen.warnings,\n    }\n\n\ndef _plain_values',
        '"warnings": list(seen.warnings),\n        "ok": not seen.warnings,\n    }\n\n\ndef _plain_values',
        ("tests/cli/test_looking.py::test_doctor_names_the_line_to_change",),
    ),
    Case(
        "`doctor` says that an ImageNet-normalised model on 0..1 looks wrong", "cfsearch/providers/handshake.py",
        "    if inputs is None and len(shape) == 3:\n        other", "    if False:\n        other",
        ("tests/providers/test_pixel_clues.py::test_a_network_says_what_it_was_trained_on",),
    ),
    Case(
        "an ImageNet-normalised model is recognised", "cfsearch/providers/pixel_clues.py",
        "    if below or spread > _WIDE:", "    if False:",
        ("tests/providers/test_pixel_clues.py::test_a_network_says_what_it_was_trained_on",),
    ),
    Case(
        "galleries of ten classes name the class that it became", "cfsearch/report/part_gallery.html",
        "became <strong><bdi>{{ s.became }}</bdi></strong>; ", "",
        ("tests/report/test_becoming.py::test_galleries_name_the_class_that_it_became_and_the_true_one",),
    ),
    Case(
        "which class it became is that of the best member", "cfsearch/report/gallery.py",
        'return self.best.now if self.several and self.best is not None else ""', 'return ""',
        ("tests/report/test_gallery.py::test_several_classes_name_what_it_became",),
    ),
    Case(
        "the table of which class became which stands on the page", "cfsearch/report/becoming.py",
        '        if len(model["labels"]) <= 2 or not counts:', "        if True:",
        ("tests/report/test_becoming.py::test_the_table_counts_from_rows_to_columns",),
    ),
    Case(
        "which class became which is counted", "cfsearch/audits/transitions.py",
        "self._count[front.source, int(front.scores[sparsest].argmax())] += 1",
        "self._count[front.source, front.source] += 1", ("tests/audits/test_transitions.py",),
    ),
    Case(
        "`--reference` takes class folders", "cfsearch/assembly/images.py",
        "find_images(Path(path), recursive=True)\n    if", "find_images(Path(path))\n    if",
        ("tests/assembly/test_images.py::test_class_folders_are_all_taken",),
    ),
    Case(
        "`--reference` takes pictures of every class", "cfsearch/assembly/images.py",
        "return refs[:: -(-len(refs) // MOST_REFERENCES)]", "return refs",
        ("tests/assembly/test_images.py::test_of_many_every_class_is_there",),
    ),
    Case(
        "`explain` keeps a grey digit grey", "cfsearch/explainers/pixel_domain.py",
        "        if self.shape[0] > 1:", "        if False:",
        ("tests/explainers/test_domains.py::test_what_starts_from_a_grey_picture_stays_grey",),
    ),
    Case(
        "`cfsearch train` alone shows its help in lines", "cfsearch/cli/train.py",
        "    if ctx.invoked_subcommand is None:\n        click.echo(ctx.get_help())",
        "    if ctx.invoked_subcommand is None:\n        raise click.UsageError(ctx.get_usage(), ctx=ctx)",
        ("tests/cli/test_help.py::test_a_group_alone_shows_its_help",),
    ),
    *(
        Case(
            f"the help of `{name}` has examples", f"cfsearch/cli/{name}.py",
            "    examples=(\n", "    examples=() and (\n", (f"{_HELP}[{name}]",),
        )
        for name in _WITH_EXAMPLES
    ),
    Case("the help of `bench` has examples", "cfsearch/cli/bench.py", _BENCH, "examples=()", (f"{_HELP}[bench solvers]",)),
    Case("the help of `report` has examples", "cfsearch/cli/pages.py", _REPORT, "examples=()", (f"{_HELP}[report]",)),
    Case(
        "examples are printed", "cfsearch/cli/_help.py",
        "        if self.examples:\n            with", "        if False:\n            with",
        ("tests/cli/test_help.py::test_options_stand_under_headings",),
    ),
    Case(
        "help has groups of options", "cfsearch/cli/_help.py",
        "        many = len(options) > _FEW", "        many = False",
        ("tests/cli/test_help.py::test_options_stand_under_headings",),
    ),
    Case(
        "names of plug-ins are completed", "cfsearch/cli/_completion.py",
        "return _matching([*registry.installed(kind), *more], incomplete, listed=listed)", "return []",
        (f"{_COMPLETION}test_names_of_plug_ins_are_completed",),
    ),
    Case(
        "columns are completed", "cfsearch/cli/_completion.py",
        "        return [cell.strip() for cell in rows[0]] if rows else []", "        return []",
        (f"{_COMPLETION}test_columns_of_the_table_are_completed",),
    ),
    Case(
        "classes are completed", "cfsearch/cli/_completion.py",
        "    return _matching([str(label) for label in labels], incomplete)", "    return []",
        (f"{_COMPLETION}test_classes_of_the_model_are_completed",),
    ),
    Case(
        "strips of digits are not at 28 px", "cfsearch/report/strips.py",
        "    factor = max(1, _SIDE // int(picture.shape[1]))", "    factor = 1",
        ("tests/report/test_strips.py::test_small_pictures_grow_by_a_whole_factor",),
    ),
    Case(
        "tiny pictures are enlarged on the page", "cfsearch/report/gallery.py",
        "tiny=original is not None and max(original.shape[-2:]) < 48,", "tiny=False,",
        ("tests/report/test_gallery.py::test_tiny_pictures_are_enlarged",),
    ),
    Case(
        "pictures of the page can be enlarged", "cfsearch/report/large.js",
        "if (large) setUpLarge();", "", ("tests/report/test_browser.py::test_pictures_can_be_enlarged_by_mouse_and_keyboard",),
    ),
    Case(
        "printing takes few pages", "cfsearch/report/print.css",
        "@media print {", "@media (max-width: 1px) {",
        ("tests/report/test_browser.py::test_in_print_ten_faces_take_half_a_page_each",),
    ),
    Case(
        "exact pictures can be exported", "cfsearch/cli/export.py",
        '_PICTURES, _SOUNDS = "pictures", "sounds"', '_PICTURES, _SOUNDS = "drawings", "sounds"',
        ("tests/cli/test_looking.py::test_export_of_pictures",),
    ),
    Case(
        "exported pictures are exact", "cfsearch/runs/pictures.py",
        'image.save(file, "PNG", optimize=True)', 'image.convert("P").convert(image.mode).save(file, "PNG", optimize=True)',
        ("tests/runs/test_pictures.py::test_pictures_are_the_stored_ones_bit_by_bit",),
    ),
    Case(
        "the table of a search begins with members that flip", "cfsearch/cli/_fronts.py",
        "    return [*picks, *spread, *rest][:most]", "    return [*rest, *picks, *spread][:most]",
        (f"{_SCREEN}test_counterfactuals_come_first_and_picks_before_them",),
    ),
    Case(
        "the terminal shows effects after an audit", "cfsearch/cli/audit.py",
        "    show_effects(console, document)\n", "", ("tests/cli/test_audit.py::test_protected_attributes_and_the_practical_size_arrive",),
    ),
)  # fmt: skip
"""What somebody met who tried it as a new user."""
